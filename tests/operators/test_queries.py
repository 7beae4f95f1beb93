"""What the boards ask is PromQL of the declared metrics, with their labels and the board's variables."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import promql_parser
import pytest
from promql_parser import AggregateExpr, Call, Expr, MatrixSelector, ParenExpr, VectorSelector

from dashboards.query import ANYWHERE, LABELS, VARIABLES
from receiver.catalogue import CATALOGUE
from receiver.metrics import Metrics
from tests.operators.panels import Expression, expressions

ALL = list(expressions())
COUNTED = ("_total", "_bucket", "_count", "_sum")
GROWING = {"rate", "increase"}

OF_TABLES = {each.exposed for each in CATALOGUE.values() if each.kind == "gauge"} - {
    family.name for family in Metrics().registry.collect()
}
"""Gauges that no process has of its own."""


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


def parsed(each: Expression) -> Expr:
    expr: Expr = promql_parser.parse(each.expr)
    return expr


def asked(expr: Expr) -> Iterator[Asked]:
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

    promql_parser.walk(expr, enter, leave)
    yield from (each for each in found if each.name != "ALERTS")


@pytest.mark.parametrize("each", ALL, ids=str)
def test_counters_are_asked_for_their_growth_only(each: Expression) -> None:
    for series in asked(parsed(each)):
        is_counter = series.name.endswith(COUNTED)
        assert (series.function in GROWING) == is_counter, series.name


@pytest.mark.parametrize("each", ALL, ids=str)
def test_a_target_obeys_the_variables_of_its_labels(each: Expression) -> None:
    for series in asked(parsed(each)):
        for label in series.labels & set(VARIABLES):
            assert series.matched.get(label) == ".+", f"{series.name}: {label}"


@pytest.mark.parametrize("each", ALL, ids=str)
def test_labels_are_those_that_a_metric_has(each: Expression) -> None:
    expr = parsed(each)
    for series in asked(expr):
        assert set(series.matched) <= series.labels
    had = set[str]().union(*(series.labels for series in asked(expr)))
    grouped: set[str] = set()

    def visit(node: Expr) -> None:
        if isinstance(node, AggregateExpr) and node.modifier:
            grouped.update(node.modifier.labels)

    promql_parser.walk(expr, visit)
    assert grouped <= had
    assert set(re.findall(r"histogram_quantile\(.*?by \((\w+)", each.expr)) <= {"le"}


@pytest.mark.parametrize("each", ALL, ids=str)
def test_what_receivers_say_alike_is_not_added_up(each: Expression) -> None:
    """Each receiver shows the gauges of the tables, with every label: the highest of each, then the sum."""

    def visit(node: Expr) -> None:
        if isinstance(node, AggregateExpr) and str(node.op) == "sum":
            inner = inside(node.expr)
            assert not (isinstance(inner, VectorSelector) and inner.name in OF_TABLES)
            if isinstance(inner, AggregateExpr) and isinstance(leaf := inside(inner.expr), VectorSelector):
                assert inner.modifier
                assert {"job", *LABELS[leaf.name or ""]} <= set(inner.modifier.labels)

    promql_parser.walk(parsed(each), visit)


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


@pytest.mark.parametrize("each", ALL, ids=str)
def test_rates_are_as_long_as_the_board_needs(each: Expression) -> None:
    ranges = re.findall(r"\brate\([^\[\]]*\[([^\]]*)\]", each.raw)
    assert set(ranges) <= {"$__rate_interval"}
    assert "$" not in each.expr


@pytest.mark.parametrize("each", ALL, ids=str)
def test_figures_of_the_whole_range_are_asked_once(each: Expression) -> None:
    is_long = bool(re.search(r"\[(\$__range|30d)\]", each.raw))
    assert each.is_instant or not is_long
