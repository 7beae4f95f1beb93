"""Files of tasks: what is taken, and what is refused by row and field, never by value."""

import json
from pathlib import Path

import pytest

from receiver.cli.tasks_add import FIELDS, read_tasks
from tests.cli.shell import Shell

NUMBER = "+79161234567"
HEAD = "ref,a_number,b_number,try_count\n"
GOOD = HEAD + f"o-1,101,{NUMBER},3\no-2,102,{NUMBER},\n"


def _read(
    folder: Path, text: str, name: str = "tasks.csv", encoding: str = "utf-8"
) -> dict[str, dict[str, object]]:
    """Ref → the task's fields that were given."""
    path = folder / name
    path.write_text(text, encoding=encoding)
    return {ref: task.model_dump(exclude_none=True) for ref, task in read_tasks(path)}


def test_a_csv_file_names_its_fields_in_the_header_line(tmp_path: Path) -> None:
    assert _read(tmp_path, GOOD) == {
        "o-1": {"name": "o-1", "a_number": "101", "b_number": NUMBER, "try_count": 3},
        "o-2": {"name": "o-2", "a_number": "102", "b_number": NUMBER, "try_count": 1},
    }


def test_a_byte_order_mark_and_foreign_line_ends_change_nothing(tmp_path: Path) -> None:
    assert _read(tmp_path, GOOD.replace("\n", "\r\n"), encoding="utf-8-sig") == _read(tmp_path, GOOD)


def test_a_quoted_cell_may_hold_commas_and_line_ends(tmp_path: Path) -> None:
    text = f'name,a_number,b_number\n"Order 1,\nurgent\u2028",101,{NUMBER}\n'
    (task,) = _read(tmp_path, text).values()
    assert task["name"] == "Order 1,\nurgent\u2028"


def test_a_json_file_holds_objects_bare_or_under_tasks(tmp_path: Path) -> None:
    rows = [
        {"ref": "o-1", "a_number": "101", "b_number": NUMBER, "try_again_pause": 30, "start_time_utc": 60}
    ]
    bare = _read(tmp_path, json.dumps(rows), "tasks.json")
    assert bare["o-1"] | {"try_again_pause": 30, "start_time_utc": 60, "a_number": "101"} == bare["o-1"]
    assert _read(tmp_path, json.dumps({"tasks": rows}), "tasks.JSON") == bare


def test_rows_without_a_ref_get_fresh_ones(tmp_path: Path) -> None:
    text = f"a_number,b_number\n101,{NUMBER}\n101,{NUMBER}\n"
    first, second = _read(tmp_path, text), _read(tmp_path, text)
    assert len(first.keys() | second.keys()) == 4


WRONG = {
    "a field that is missing": (HEAD + f"o-1,101,{NUMBER},1\no-2,101,,1", "row 2, b_number: Field required"),
    "a number out of bounds": (HEAD + f"o-1,101,{NUMBER},51", "row 1, try_count: Input should be less than"),
    "a number that is none": (
        HEAD + f"o-1,101,102,{NUMBER[1:]}x",
        "row 1, try_count: Input should be a valid",
    ),
    "a start in the past": (
        f"a_number,b_number,start_time_utc\n101,{NUMBER},-5",
        "row 1, start_time_utc: Value error, a start is given in seconds",
    ),
    "a ref that cannot travel": (HEAD + f"o/1,101,{NUMBER},1", "row 1, ref: must be 1 to 64 letters, digits"),
    "a ref that stands twice": (HEAD + f"o-1,101,{NUMBER},1\n" * 2, "ref: 'o-1' is in more than one row"),
    "an unknown column": (
        f"ref,phone,b_number\no-1,101,{NUMBER}",
        "row 1: unknown field 'phone'; known",
    ),
    "another separator": (f"ref;a_number\no-1;{NUMBER}", "row 1: unknown field 'ref;a_number'; known fields"),
    "no header line": (f"{NUMBER},101\n{NUMBER},102", "row 1: unknown field '***'; known fields"),
    "cells beyond the header": (
        HEAD + f"o-1,101,{NUMBER},1,{NUMBER}",
        "row 1: has more cells than the header line",
    ),
    "an endless cell": (HEAD + f'o-1,"{NUMBER * 12_000}",102,1', "tasks.csv: is not CSV: field larger than"),
    "only a header line": (HEAD, "tasks.csv: contains no tasks"),
    "nothing": ("", "tasks.csv: contains no tasks"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_bad_csv_file_is_refused_by_row_and_field_without_any_value(what: str, shell: Shell) -> None:
    text, words = WRONG[what]
    error = shell.refused("tasks", "add", shell.file("tasks.csv", text), "--account", "main", "--queue", "5")
    assert error.startswith(f"error: {words}")
    assert NUMBER[1:] not in error


WRONG_JSON = {
    "[": "tasks.json: is not JSON: Expecting value: line 1 column 2",
    "5": "tasks.json: must be an array of objects",
    '{"task": []}': "tasks.json: must be an array of objects",
    '["o-1"]': "tasks.json: must be an array of objects",
    "[]": "tasks.json: contains no tasks",
    f'[{{"ref": "o-1", "a_number": {NUMBER[1:]}, "b_number": "1"}}]': "row 1, a_number: Input should be a",
    f'[{{"ref": {{"a": "{NUMBER}"}}}}]': "row 1, ref: must be 1 to 64 letters",
}


@pytest.mark.parametrize("text", WRONG_JSON)
def test_a_bad_json_file_is_refused_without_any_value(text: str, shell: Shell) -> None:
    error = shell.refused("tasks", "add", shell.file("tasks.json", text), "--account", "main", "--queue", "5")
    assert error.startswith(f"error: {WRONG_JSON[text]}")
    assert NUMBER[1:] not in error


def test_a_file_that_is_no_text_is_refused(shell: Shell) -> None:
    (shell.folder / "tasks.csv").write_bytes("ref,name\no-1,Заказ".encode("cp1251"))
    add = ("tasks", "add", "tasks.csv", "--account", "main", "--queue", "5")
    assert "tasks.csv: cannot be read as UTF-8 text: UnicodeDecodeError" in shell.refused(*add)
    assert "does not exist" in shell.refused("tasks", "add", "other.csv", "--account", "main", "--queue", "5")
    assert "cannot be read" in shell.refused("tasks", "add", ".", "--account", "main", "--queue", "5")


def test_the_help_names_every_field(shell: Shell) -> None:
    shown = shell.run("tasks", "add", "--help").out
    assert all(name in shown for name in FIELDS)
