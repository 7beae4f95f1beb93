"""The rule files, read: what the tests hold against the catalogue, the runbook and the rules' own tests."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import promql_parser
import yaml
from promql_parser import AggregateExpr, Expr, VectorSelector

CONFIG = Path(__file__).parents[2] / "config"
RULE_FILES = (CONFIG / "prometheus/recording.yml", CONFIG / "prometheus/alerts.yml")
CASES = sorted((Path(__file__).parent / "rules").glob("*.yml"))


def read(path: Path) -> Any:
    """What a YAML file holds."""
    return yaml.safe_load(path.read_text())


def rules(kind: str) -> list[dict[str, Any]]:
    """All rules of a kind: `alert` or `record`."""
    groups = [group for path in RULE_FILES for group in read(path)["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


BOARDS = {
    f"receiver-{board}" for board in ("overview", "intake", "tasks", "reconcile", "deliveries", "runtime")
}
"""The uids of the dashboards."""

_Node = TypeVar("_Node", bound=Expr)


@dataclass(frozen=True, slots=True)
class Asked:
    """A metric that an expression reads, and the labels and values by which it is picked."""

    name: str
    labels: tuple[tuple[str, str], ...]


def asked(expression: str) -> Iterator[Asked]:
    """Every metric that the expression reads. Raises ValueError where it is no PromQL."""
    for selector in _found(VectorSelector, expression):
        labels = tuple((each.name, each.value) for each in selector.matchers.matchers)
        yield Asked(selector.name or "", labels)


def grouped(expression: str) -> Iterator[str]:
    """Every label that the expression aggregates by."""
    for node in _found(AggregateExpr, expression):
        yield from node.modifier.labels if node.modifier else ()


def _found(kind: type[_Node], expression: str) -> list[_Node]:
    found: list[_Node] = []

    def visit(node: Expr) -> None:
        if isinstance(node, kind):
            found.append(node)

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found
