"""`receiver db prune`: what is too old, told or deleted."""

import asyncio
import time

import pytest

from tests.cli.shell import SPEED, Shell
from tests.cli.test_db import read
from tests.http.api_env import T0, running_rig

KINDS = (
    *("delivery", "set_aside", "task", "fact", "finding", "link"),
    *("outcome", "message", "posting", "audit"),
)


@pytest.fixture
def filled(shell: Shell) -> Shell:
    """An old settled task, an old open one and a young settled one; the commands' clock runs fast."""

    async def fill() -> None:
        async with running_rig(shell.folder) as api_env:
            await api_env.settled_without_after("old")
            await api_env.hook("open", "before", T0)
            await api_env.settled_without_after("young", time.time() * SPEED)

    asyncio.run(fill())
    return shell


def keep(shell: Shell, **days: int) -> None:
    lines = [f"{name}_days = {number}" for name, number in days.items()]
    shell.file("receiver.toml", "\n".join([shell.config.read_text(), "[retention]", *lines]))


def rows(shell: Shell) -> list[int]:
    return [read(shell.store, f"SELECT count(*) FROM {table}")[0] for table in ("task", "fact", "delivery")]


def test_what_is_too_old_is_told_first_and_then_deleted(filled: Shell) -> None:
    keep(filled, deliveries=30, tasks=90)
    told = dict.fromkeys(KINDS, 0) | {
        "delivery": 3,
        "task": 1,
        "fact": 4,
        "finding": 1,
        "link": 1,
        "outcome": 5,
    }
    assert filled.ask("db", "prune", "--dry-run") == {"dry_run": True, "rows": told}
    assert rows(filled) == [3, 9, 5]
    assert filled.ask("db", "prune") == {"dry_run": False, "rows": told}
    assert rows(filled) == [2, 5, 2]
    assert filled.ask("rebuild", "--verify")["differences"] == []
    assert filled.ask("db", "prune") == {"dry_run": False, "rows": dict.fromkeys(KINDS, 0)}


def test_people_see_a_table_and_what_becomes_of_the_file(filled: Shell) -> None:
    keep(filled, tasks=90)
    said = filled.run("db", "prune", "--dry-run")
    assert (said.status, said.err) == (0, "")
    assert [line.split() for line in said.out.splitlines() if "settled" in line] == [
        ["settled", "tasks", "90", "days", "1"]
    ]
    assert "Would be deleted" in said.out
    done = filled.run("db", "prune")
    assert "The file keeps its size" in done.err
    assert "Would" not in done.out
    assert rows(filled)[0] == 2


def test_without_settings_everything_is_kept_and_it_says_so(filled: Shell) -> None:
    said = filled.run("db", "prune")
    assert (said.status, said.err) == (0, "")
    assert "Everything is kept forever" in said.out
    assert rows(filled) == [3, 9, 5]


def test_settings_that_contradict_each_other_are_refused_with_the_fix(filled: Shell) -> None:
    keep(filled, deliveries=90, tasks=30)
    error = filled.refused("db", "prune")
    assert "lower deliveries_days or raise tasks_days" in error
