"""What panels draw as limits is where the alerts begin."""

import re
from collections.abc import Iterator

import promql_parser
import pytest
from promql_parser import BinaryExpr, Expr, NumberLiteral, ParenExpr

from dashboards.limits import ALERTS, BURNS, LIMITS, OBJECTIVES, WINDOWS, Limit, Objective
from dashboards.query import recorded
from receiver.settings.models import InboxSettings
from tests.operators.panels import FILES, expressions, panels, read
from tests.operators.rulebook import rules

SIGNS = {">", ">=", "<", "<=", "==", "!="}


def compared(expr: str) -> set[tuple[str, float]]:
    """The signs and numbers that an expression compares with."""
    found: set[tuple[str, float]] = set()

    def visit(node: Expr) -> None:
        if isinstance(node, BinaryExpr) and str(node.op) in SIGNS:
            numbers = list(factors(node.rhs))
            if numbers:
                value = 1.0
                for number in numbers:
                    value *= number
                found.add((str(node.op), round(value, 9)))

    promql_parser.walk(promql_parser.parse(expr), visit)
    return found


def factors(node: Expr) -> Iterator[float]:
    """Of a product of numbers; nothing of what is none."""
    if isinstance(node, NumberLiteral):
        yield node.val
    elif isinstance(node, ParenExpr):
        yield from factors(node.expr)
    elif isinstance(node, BinaryExpr) and str(node.op) == "*":
        yield from factors(node.lhs)
        yield from factors(node.rhs)


def of_alert(name: str) -> set[tuple[str, float]]:
    return set().union(*(compared(rule["expr"]) for rule in rules("alert") if rule["alert"] == name))


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.alert} {limit.value:g}")
def test_an_alert_begins_at_its_limit(limit: Limit) -> None:
    assert (limit.sign, limit.value) in of_alert(limit.alert)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: objective.alert)
def test_budgets_burn_as_fast_as_the_alerts_say(objective: Objective) -> None:
    assert {(">", round(times * objective.budget, 9)) for times in BURNS} <= of_alert(objective.alert)


def test_an_inbox_is_full_as_its_settings_have_it() -> None:
    (rule,) = [each for each in rules("alert") if each["alert"] == "InboxFilling"]
    full = {int(number) for number in re.findall(r" / (\d+)", rule["expr"])}
    assert full == {InboxSettings().max_hooks, InboxSettings().max_bytes}
    (panel,) = [each for each in expressions() if each.panel == "Inbox full"]
    assert {int(number) for number in re.findall(r" / (\d+)", panel.expr)} == full


def test_all_alerts_are_known() -> None:
    assert {rule["alert"] for rule in rules("alert")} == set(ALERTS)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: objective.alert)
def test_recording_rules_have_the_bounds_of_objectives(objective: Objective) -> None:
    exprs = {rule["record"]: rule["expr"] for rule in rules("record")}
    for window in WINDOWS:
        expr = exprs[recorded(objective, window).partition("{")[0]]
        assert f"[{window}]" in expr
        assert not objective.within or f'le="{objective.within}"' in expr


def test_what_is_recorded_is_what_is_asked() -> None:
    recording = {rule["record"] for rule in rules("record")}
    asked = {
        name.partition("{")[0]
        for each in expressions()
        for name in each.raw.replace("(", " ").split()
        if ":" in name.partition("{")[0]
    }
    assert asked
    assert asked <= recording


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.alert} {limit.value:g}")
def test_a_limit_is_drawn(limit: Limit) -> None:
    drawn = [
        {step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]}
        for file in FILES
        for panel in panels(read(file))
        if str(limit) in panel["description"]
    ]
    assert drawn
    assert all(limit.step in values for values in drawn)
