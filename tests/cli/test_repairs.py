"""`receiver reconcile --once` and `receiver rebuild`: the two repairs by hand."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from tests.cli.emulation import Emulation
from tests.cli.shell import Shell
from tests.http.api_env import T0, finished, running_rig


@pytest.fixture
def filled(shell: Shell) -> Shell:
    async def fill() -> None:
        async with running_rig(shell.folder) as api_env:
            await api_env.queue("17")
            await api_env.settled_without_after("o-1")
            await api_env.said("o-2", T0, finished(), task_id="92")

    asyncio.run(fill())
    return shell


def _change(shell: Shell, statement: str) -> None:
    """Change the store by hand, past all rules."""
    with closing(sqlite3.connect(shell.store)) as connection, connection:
        connection.execute(statement)


def _verify(shell: Shell) -> list[dict[str, object]]:
    said = shell.run("rebuild", "--verify", "--json")
    assert said.err == ""
    assert said.status == (1 if said.json["differences"] else 0)
    found: list[dict[str, object]] = said.json["differences"]
    return found


def test_tables_that_are_what_the_ledger_gives_show_no_difference(filled: Shell) -> None:
    assert _verify(filled) == []
    assert filled.run("rebuild", "--verify").out == "0 differences: the tables agree with the ledger.\n"


def test_a_row_that_was_changed_by_hand_is_found_and_mended(filled: Shell) -> None:
    _change(filled, "UPDATE task SET attempts = 3 WHERE key = 'o-1'")
    difference = {
        "table": "task",
        "key": "main/o-1",
        "problem": "differs",
        "columns": {"attempts": {"live": 3, "ledger": 1}},
    }
    assert _verify(filled) == [difference]
    assert _verify(filled) == [difference], "to verify is to change nothing"
    shown = filled.run("rebuild", "--verify")
    assert shown.status == 1
    assert "task main/o-1 differs attempts: 3 → 1" in " ".join(shown.out.split())
    assert filled.run("rebuild").out == "2 tasks rebuilt from the ledger.\n"
    assert _verify(filled) == []


@pytest.mark.parametrize(
    ("statement", "table", "problem"),
    [
        ("DELETE FROM task WHERE key = 'o-2'", "task", "missing"),
        ("DELETE FROM finding", "finding", "missing"),
        ("UPDATE queue SET status = 'off'", "queue", "differs"),
        ("UPDATE link SET ref = 'o-3' WHERE ref = 'o-2'", "link", "differs"),
        ("UPDATE task SET key = 'o-9' WHERE key = 'o-2'", "task", "no facts bear this out"),
    ],
)
def test_every_derived_table_is_compared_and_mended(
    statement: str, table: str, problem: str, filled: Shell
) -> None:
    _change(filled, statement)
    assert (table, problem) in [(each["table"], each["problem"]) for each in _verify(filled)]
    assert filled.ask("rebuild") == {"tasks": 2, "differences": [], "to_fold": None}
    assert _verify(filled) == []


def test_reconciling_once_finds_out_what_became_of_a_task(office: Shell, scheduler: Emulation) -> None:
    queue = str(office.ask("queues", "create", "repair", "--account", "main")["queue_id"])
    rows = "".join(f"mend-{number},101,102,360000\n" for number in range(3))
    file = office.file("tasks.csv", "ref,a_number,b_number,start_time_utc\n" + rows)
    tasks = office.ask("tasks", "add", file, "--account", "main", "--queue", queue)["tasks"]
    scheduler.delete(queue, tasks[1]["task_id"])
    report = {part["part"]: part for part in office.ask("reconcile", "--once")}
    assert list(report) == ["tasks", "calls"]
    assert report["tasks"]["gone"] == 1
    assert report["tasks"]["api_calls"] > 0
    assert not any(part["failed"] for part in report.values())
    states = {task["key"]: task["state"] for task in office.ask("tasks", "list", "--queue", queue)["tasks"]}
    assert states == {"mend-0": "scheduled", "mend-1": "gone", "mend-2": "scheduled"}
    head = office.run("reconcile", "--once").out.splitlines()[2]
    assert head.split()[:5] == ["account", "part", "due", "swept", "asked"]


def test_reconciling_with_a_scheduler_that_is_down_fails_in_json_too(filled: Shell) -> None:
    said = filled.run("reconcile", "--once", "--json")
    assert said.status == 1
    assert any(part["failed"] for part in said.json)
    assert "Traceback" not in said.err


def test_reconciling_without_once_is_refused(shell: Shell) -> None:
    assert "receiver reconcile --once" in shell.refused("reconcile")
