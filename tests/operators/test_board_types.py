"""Boards are what Grafana's published types say."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.operators.grafana import schema_of_boards
from tests.operators.panels import FILES, panels, read

Board = dict[str, Any]


@pytest.fixture(scope="session")
def validator() -> jsonschema.Draft7Validator:
    schema = schema_of_boards()
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def first(board: Board, kind: str) -> dict[str, Any]:
    return next(panel for panel in panels(board) if panel["type"] == kind)


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_board_is_of_the_published_types(file: Path, validator: jsonschema.Draft7Validator) -> None:
    error = jsonschema.exceptions.best_match(validator.iter_errors(read(file)))
    assert error is None, f"{error.json_path}: {error.message[:500]}"


BREAK: dict[str, Callable[[Board], object]] = {
    "a field that no board has": lambda board: board.update(rows=[]),
    "a text in place of a number": lambda board: board.update(schemaVersion="42"),
    "no version of the schema": lambda board: board.pop("schemaVersion"),
    "a kind of variable that there is not": lambda board: board["templating"]["list"][1].update(type="list"),
    "what only interval variables have": lambda board: board["templating"]["list"][1].update(auto=False),
    "a link without a kind": lambda board: board["links"][0].pop("type"),
    "a kind of panel of a plugin": lambda board: panels(board)[0].update(type="grafana-piechart-panel"),
    "an option misspelt": lambda board: first(board, "stat")["options"].update(colourMode="value"),
    "a value that an option has not": lambda board: first(board, "stat")["options"].update(colorMode="red"),
    "options of another kind": lambda board: first(board, "timeseries").update(
        options=first(board, "stat")["options"]
    ),
    "a legend that says not whether it is shown": lambda board: first(board, "timeseries")["options"][
        "legend"
    ].pop("showLegend"),
    "a setting of fields misspelt": lambda board: first(board, "timeseries")["fieldConfig"]["defaults"][
        "custom"
    ].update(lineWith=1),
    "steps of limits without a colour": lambda board: first(board, "stat")["fieldConfig"]["defaults"][
        "thresholds"
    ]["steps"][0].pop("color"),
    "a target without a name": lambda board: first(board, "stat")["targets"][0].pop("refId"),
    "a place without a width": lambda board: first(board, "stat")["gridPos"].pop("w"),
}


@pytest.mark.parametrize("name", BREAK)
def test_a_broken_board_is_found(name: str, validator: jsonschema.Draft7Validator) -> None:
    board = read(FILES[-1])
    assert validator.is_valid(board)
    broken = deepcopy(board)
    BREAK[name](broken)
    assert json.dumps(broken) != json.dumps(board)
    assert not validator.is_valid(broken)
