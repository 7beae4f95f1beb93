"""Files of tasks: what is taken, and what is refused by row and field, never by value."""

import json
from pathlib import Path

import pytest

from receiver.cli.task_files import read_task_file
from receiver.reconcile.new_tasks import FIELDS
from tests.cli.shell import Shell

NUMBER = "+79035551234"
HEAD = "ref,a_number,b_number,try_count\n"
GOOD = HEAD + f"o-1,101,{NUMBER},3\no-2,102,{NUMBER},\n"


def _read(
    folder: Path, text: str, name: str = "tasks.csv", encoding: str = "utf-8"
) -> dict[str, dict[str, object]]:
    """Ref → the task's fields that were given."""
    path = folder / name
    path.write_text(text, encoding=encoding)
    tasks, problems = read_task_file(path).tasks(sent_at=1.0)
    assert problems == []
    return {ref: task.model_dump(exclude_none=True) for ref, task in tasks}


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


def test_rows_without_a_ref_get_refs_that_follow_from_the_file_and_the_time(tmp_path: Path) -> None:
    path = tmp_path / "tasks.csv"
    path.write_text(f"a_number,b_number\n101,{NUMBER}\n101,{NUMBER}\n")
    first, again, later = (
        {ref for ref, _ in read_task_file(path).tasks(sent_at)[0]} for sent_at in (1e9, 1e9, 1e9 + 1)
    )
    assert first == again
    assert len(first | later) == 4
    assert not read_task_file(path).has_refs


@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
def test_files_as_spreadsheets_save_them_are_read(tmp_path: Path, separator: str, encoding: str) -> None:
    rows = [("ref", " name ", "a_number", "b_number"), ("o-1", "Заказ, срочный; №1", "101", NUMBER)]
    text = "\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows)
    (task,) = _read(tmp_path, text, encoding=encoding).values()
    assert (task["name"], task["b_number"]) == ("Заказ, срочный; №1", NUMBER)


WRONG = {
    "a field that is missing": (
        HEAD + f"o-1,101,{NUMBER},1\no-2,101,,1",
        "row 2, b_number: is missing: it must be the number that is called second",
    ),
    "a number out of bounds": (
        HEAD + f"o-1,101,{NUMBER},51",
        "row 1, try_count: must be a whole number from 1 to 50",
    ),
    "a number that is none": (
        HEAD + f"o-1,101,102,{NUMBER[1:]}x",
        "row 1, try_count: must be a whole number from 1 to 50",
    ),
    "a start in the past": (
        f"a_number,b_number,start_time_utc\n101,{NUMBER},-5",
        "row 1, start_time_utc: must be a UTC time YYYY-MM-DD HH:MM:SS",
    ),
    "a ref that cannot travel": (HEAD + f"o/1,101,{NUMBER},1", "row 1, ref: must be 1 to 64 letters, digits"),
    "a ref that stands twice": (
        HEAD + f"o-1,101,{NUMBER},1\n" * 2,
        "row 1, ref: 'o-1' is in more than one row; 1 more",
    ),
    "an unknown column": (
        f"ref,phone,b_number\no-1,101,{NUMBER}",
        "row 1, phone: is not a field of a task; known fields: ref, name",
    ),
    "another separator": (f"ref|a_number\no-1|{NUMBER}", "row 1, ref|a_number: is not a field of a task"),
    "no header line": (f"{NUMBER},101\n{NUMBER},102", "row 1, ***: is not a field of a task"),
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
    f'[{{"ref": "o-1", "a_number": {NUMBER[1:]}, "b_number": "1"}}]': "row 1, a_number: must be the number",
    f'[{{"ref": {{"a": "{NUMBER}"}}}}]': "row 1, ref: must be 1 to 64 letters",
}


@pytest.mark.parametrize("text", WRONG_JSON)
def test_a_bad_json_file_is_refused_without_any_value(text: str, shell: Shell) -> None:
    error = shell.refused("tasks", "add", shell.file("tasks.json", text), "--account", "main", "--queue", "5")
    assert error.startswith(f"error: {WRONG_JSON[text]}")
    assert NUMBER[1:] not in error


def test_a_file_that_is_no_text_is_refused(shell: Shell) -> None:
    (shell.folder / "tasks.csv").write_bytes(b"PK\x03\x04\x00\x00")
    add = ("tasks", "add", "tasks.csv", "--account", "main", "--queue", "5")
    assert "tasks.csv: is not a text file: save it as CSV in UTF-8" in shell.refused(*add)
    assert "does not exist" in shell.refused("tasks", "add", "other.csv", "--account", "main", "--queue", "5")
    assert "cannot be read" in shell.refused("tasks", "add", ".", "--account", "main", "--queue", "5")


def test_a_dry_run_names_every_wrong_row_and_column_and_sends_nothing(shell: Shell) -> None:
    text = HEAD + f"o-1,101,{NUMBER},1\no-2,,{NUMBER},1\no-3,101,+7,9\no/4,101,{NUMBER},1\n"
    add = ("tasks", "add", shell.file("tasks.csv", text), "--account", "main", "--queue", "5", "--dry-run")
    shown = shell.run(*add)
    assert shown.status == 1
    assert "3 problems" in shown.out
    assert shown.widest <= 80
    assert NUMBER[1:] not in shown.out + shown.err
    answer = shell.run(*add, "--json").json
    found = [(problem["row"], problem["column"]) for problem in answer["problems"]]
    assert found == [(2, "a_number"), (3, "b_number"), (4, "ref")]
    assert not shell.store.exists()


def test_a_dry_run_of_a_good_file_shows_its_tasks_without_numbers(shell: Shell) -> None:
    text = f"a_number;b_number;name\n101;{NUMBER};Заказ 1\n"
    (shell.folder / "tasks.csv").write_bytes(text.encode("cp1251"))
    shown = shell.run("tasks", "add", "tasks.csv", "--account", "main", "--queue", "5", "--dry-run")
    assert shown.status == 0
    assert "Заказ 1" in shown.out
    assert "Read as cp1251, semicolon" in shown.out
    assert "everybody is called again" in " ".join(shown.out.split())
    assert NUMBER[1:] not in shown.out + shown.err
    assert not shell.store.exists()


def test_the_help_names_every_field(shell: Shell) -> None:
    shown = shell.run("tasks", "add", "--help").out
    assert all(name in shown for name in FIELDS)
