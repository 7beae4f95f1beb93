"""The boards as they are committed: their panels, and what each asks of Prometheus."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboards.__main__ import FOLDER
from dashboards.query import VARIABLES

FILES = sorted(FOLDER.glob("*.json"))

_REPLACED = {
    "$__rate_interval": "1m",
    "$__range": "5m",
    **{f"${name}": ".+" for name in VARIABLES},
}


@dataclass(frozen=True, slots=True)
class Expression:
    """What one target asks. `raw`: as the board has it; `expr`: with values in the place of variables."""

    board: str
    panel: str
    ref: str
    raw: str
    is_instant: bool

    @property
    def expr(self) -> str:
        text = self.raw
        for name, value in _REPLACED.items():
            text = text.replace(name, value)
        return text

    def __str__(self) -> str:
        return f"{self.board} · {self.panel} · {self.ref}"


def read(file: Path) -> dict[str, Any]:
    """A board."""
    board: dict[str, Any] = json.loads(file.read_text())
    return board


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """All but the rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[Expression]:
    """Everything that the boards ask."""
    for file in FILES:
        for panel in panels(read(file)):
            for target in panel.get("targets", ()):
                is_instant = target.get("instant", False)
                yield Expression(file.stem, panel["title"], target["refId"], target["expr"], is_instant)
