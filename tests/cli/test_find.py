"""`receiver find`, `tasks list --phone` and `receiver audit`."""

import asyncio
import getpass
import sqlite3
from contextlib import closing

import pytest

from tests.cli.shell import Shell
from tests.http.api_env import running_rig
from tests.tasks.test_find import CUSTOMER, MASKED, fill


@pytest.fixture
def filled(shell: Shell) -> Shell:
    """A store with three calls to a customer."""

    async def write() -> None:
        async with running_rig(shell.folder) as api_env:
            await fill(api_env)

    asyncio.run(write())
    return shell


def test_one_command_answers_a_customer(filled: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = filled.run("find", "8 (916) 123-45-67")
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert (said.status, said.err) == (0, "")
    assert said.widest <= 80
    assert lines[0] == f"{MASKED}: 3 tasks, 3 attempts, 1 connected, 64 s of talk."
    assert any(line.startswith("r2 ") and "A and B failed 1/1" in line for line in lines)
    assert any(line.startswith("r1 1") and line.endswith("answered answered connected 64") for line in lines)
    assert "9161234567" not in said.out.replace(" ", "")


def test_numbers_are_printed_in_full_if_they_are_asked_for(filled: Shell) -> None:
    found = filled.ask("find", "4567", "--numbers")
    assert (found["phone"], found["found"][2]["task"]["b_number"]) == ("…4567", CUSTOMER)
    masked = filled.ask("find", CUSTOMER)
    assert (masked["phone"], masked["found"][2]["task"]["b_number"]) == (MASKED, MASKED)
    assert filled.run("find", CUSTOMER, "--numbers").out.startswith(f"{CUSTOMER}: ")


def test_a_number_without_tasks_is_said_to_have_none(filled: Shell) -> None:
    said = filled.run("find", "+79990001122")
    assert (said.status, said.out) == (0, "+799•••22: no task has this number.\n")


def test_what_cannot_be_a_number_is_an_error_that_says_what_to_write(filled: Shell) -> None:
    assert "phone: write a whole phone number, or at least its last four digits" in filled.refused(
        "find", "123"
    )
    assert "phone: no country has such a number" in filled.refused("tasks", "list", "--phone", "+7916")


def test_a_list_of_tasks_can_be_of_one_number(filled: Shell) -> None:
    listed = filled.ask("tasks", "list", "--phone", "123-45-67", "--result", "success")
    assert [(task["key"], task["b_number"]) for task in listed["tasks"]] == [("r1", MASKED)]


def test_the_audit_names_the_user_of_the_system_and_no_number(filled: Shell) -> None:
    filled.run("find", CUSTOMER)
    filled.run("tasks", "list", "--phone", "4567")
    filled.run("tasks", "list", "--state", "finished")
    records = filled.ask("audit")["records"]
    actor = f"cli:{getpass.getuser()}"
    assert [(row["actor"], row["action"], row["object"]) for row in records] == [
        (actor, "numbers.find", "…4567"),
        (actor, "numbers.find", MASKED),
    ]
    assert records[1]["detail"] == {"tasks": 3, "in_full": False}
    table = filled.run("audit", "--action", "numbers.find", "--actor", actor).out
    assert "tasks 3, in_full False" in " ".join(table.split())


def test_after_an_upgrade_it_is_said_that_older_tasks_are_not_found_yet(filled: Shell) -> None:
    with closing(sqlite3.connect(filled.store)) as connection:
        connection.execute("DELETE FROM task_number")
        connection.execute("INSERT INTO task_number_fill (at, account, key) VALUES (1e15, '', '')")
        connection.commit()
    said = filled.run("find", CUSTOMER)
    assert said.out == f"{MASKED}: no task among those that are searched yet has this number.\n"
    assert "are not found yet" in said.err
    assert filled.ask("find", CUSTOMER)["searched_since"]
