"""What the boards ask is PromQL of the declared metrics, with their labels and the board's variables."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import promql_parser
import pytest
import yaml
from promql_parser import AggregateExpr, Call, Expr, MatrixSelector, ParenExpr, VectorSelector

from dashboards.query import ANYWHERE, LABELS, VARIABLES
from receiver.observability.metric_definitions import METRICS
from receiver.observability.metrics import Metrics
from tests.operators.debian import Tools
from tests.operators.panels import FILES, Expression, expressions

COUNTED = ("_total", "_bucket", "_count", "_sum")
GROWING = {"rate", "increase"}

OF_TABLES = {each.exposed for each in METRICS.values() if each.kind == "gauge"} - {
    family.name for family in Metrics().registry.collect()
}
"""Gauges that no process has of its own."""


@pytest.fixture(params=[file.stem for file in FILES])
def queries(request: pytest.FixtureRequest) -> list[Expression]:
    """What a board asks."""
    return [each for each in expressions() if each.board == request.param]


@dataclass(frozen=True, slots=True)
class Asked:
    """A time series in an expression. `function`: the innermost that is made of it, if there is one."""

    selector: VectorSelector
    function: str

    @property
    def name(self) -> str:
        return self.selector.name or ""

    @property
    def matched(self) -> dict[str, str]:
        return {matcher.name: matcher.value for matcher in self.selector.matchers.matchers}

    @property
    def labels(self) -> set[str]:
        """Those that it has. A recorded one's are in its name, before the first colon."""
        if ":" in self.name:
            return {"job", *self.name.partition(":")[0].split("_")}
        return {*ANYWHERE, *LABELS[self.name], *(["le"] if self.name.endswith("_bucket") else [])}


def asked(each: Expression) -> Iterator[Asked]:
    found: list[Asked] = []
    functions: list[str] = []

    def enter(node: Expr) -> None:
        if isinstance(node, Call):
            functions.append(node.func.name)
        elif isinstance(node, VectorSelector):
            found.append(Asked(node, functions[-1] if functions else ""))

    def leave(node: Expr) -> None:
        if isinstance(node, Call):
            functions.pop()

    promql_parser.walk(promql_parser.parse(each.expr), enter, leave)
    yield from (series for series in found if series.name != "ALERTS")


def test_counters_are_asked_for_their_growth_only(queries: list[Expression]) -> None:
    for each in queries:
        for series in asked(each):
            assert (series.function in GROWING) == series.name.endswith(COUNTED), each


def test_a_target_obeys_the_variables_of_its_labels(queries: list[Expression]) -> None:
    for each in queries:
        for series in asked(each):
            for label in series.labels & set(VARIABLES):
                assert series.matched.get(label) == ".+", (each, label)


def test_labels_are_those_that_a_metric_has(queries: list[Expression]) -> None:
    for each in queries:
        had: set[str] = set()
        for series in asked(each):
            assert set(series.matched) <= series.labels, each
            had |= series.labels
        for node in aggregates(each):
            assert set(node.modifier.labels if node.modifier else ()) <= had, each


def test_what_receivers_say_alike_is_not_added_up(queries: list[Expression]) -> None:
    """Each receiver shows the gauges of the tables, with every label: the highest of each, then the sum."""
    for each in queries:
        for node in aggregates(each):
            inner = inside(node.expr)
            if str(node.op) != "sum":
                continue
            assert not (isinstance(inner, VectorSelector) and inner.name in OF_TABLES), each
            if isinstance(inner, AggregateExpr) and isinstance(leaf := inside(inner.expr), VectorSelector):
                kept = inner.modifier.labels if inner.modifier else ()
                assert {"job", *LABELS[leaf.name or ""]} <= set(kept), each


def test_dead_letters_sent_again_hide_no_new_ones(tools: Tools, tmp_path: Path) -> None:
    (panel,) = [each for each in expressions() if each.panel == "New dead letters"]
    of = 'callback_delivery_dead_letters{job="receiver", instance="a:1", subscription="sub_%d"}'
    series = [{"series": of % 1, "values": "9x30 0x90"}, {"series": of % 2, "values": "0x30 6x90"}]
    there = {"expr": panel.expr, "eval_time": "1h", "exp_samples": [{"labels": "{}", "value": 6}]}
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [there]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"tests": [test]}))
    tools.run("promtool", "test", "rules", tmp_path / "test.yml")


def aggregates(each: Expression) -> list[AggregateExpr]:
    found: list[AggregateExpr] = []

    def visit(node: Expr) -> None:
        if isinstance(node, AggregateExpr):
            found.append(node)

    promql_parser.walk(promql_parser.parse(each.expr), visit)
    return found


def inside(node: Expr) -> Expr:
    """Without brackets and functions around it."""
    while isinstance(node, ParenExpr | Call | MatrixSelector):
        if isinstance(node, ParenExpr):
            node = node.expr
        elif isinstance(node, Call):
            node = node.args[0]
        else:
            node = node.vector_selector
    return node


def test_rates_are_as_long_as_the_board_needs(queries: list[Expression]) -> None:
    ranges = {found for each in queries for found in re.findall(r"\brate\([^\[\]]*\[([^\]]*)\]", each.raw)}
    assert ranges == {"$__rate_interval"}
    assert not [each for each in queries if "$" in each.expr]


def test_figures_of_the_whole_range_are_asked_once(queries: list[Expression]) -> None:
    whole = [each for each in queries if re.search(r"\[(\$__range|30d)\]", each.raw)]
    assert all(each.is_instant for each in whole)
