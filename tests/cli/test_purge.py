"""`receiver purge`: the number is nowhere afterwards, and files that have it are named."""

import asyncio
from pathlib import Path

import pytest

from receiver.storage.serve_lock import holding
from tests.cli.shell import Shell
from tests.e2e.purge import occurrences
from tests.http.api_env import B_NUMBER, T0, running_rig

RELATIONS = ("tasks", "attempts", "outcomes", "hooks", "facts", "queues")


@pytest.fixture
def filled(shell: Shell) -> Shell:
    """Two tasks of one person and a task of another one."""

    async def fill() -> None:
        async with running_rig(shell.folder) as api_env:
            await api_env.settled_without_after("r1", T0, name="Anna")
            await api_env.settled_without_after("r2", T0 + 500, b_number="+7 (495) 765-43-21")
            await api_env.hook("r1", "after", T0 + 90, f"to={B_NUMBER}".encode())
            await api_env.settled_without_after("r3", T0, b_number="+74957654322")

    asyncio.run(fill())
    return shell


def saved(shell: Shell, folder: str) -> list[Path]:
    """Export everything and make a backup."""
    (shell.folder / folder).mkdir()
    for relation in RELATIONS:
        assert shell.run("export", relation, "--numbers", "--out", f"{folder}/{relation}.csv").status == 0
    assert shell.run("db", "backup", f"{folder}/backup.db").status == 0
    return sorted((shell.folder / folder).iterdir())


def reports(shell: Shell) -> list[str]:
    return [shell.run("report", measure, "--json").out for measure in ("success", "attempts", "reasons")]


def test_the_number_is_nowhere_afterwards_and_figures_stay(filled: Shell) -> None:
    old, before = saved(filled, "old"), reports(filled)
    assert occurrences([filled.store], [B_NUMBER])[filled.store.name] > 0
    dry = filled.ask("purge", "--phone", "8 495 765-43-21", "--dry-run")
    assert (dry["tasks"], dry["deliveries"]) == (2, 5)
    assert reports(filled) == before
    told = filled.ask("purge", "--phone", "8 495 765-43-21")
    assert (told["tasks"], told["facts"], told["left"], told["file_rewritten"]) == (2, dry["facts"], 0, True)
    files = [filled.store, Path(f"{filled.store}-wal"), *saved(filled, "new")]
    assert not any(occurrences(files, [B_NUMBER]).values())
    assert occurrences([filled.store], ["+74957654322"])[filled.store.name] > 0
    assert reports(filled) == before
    assert filled.ask("rebuild", "--verify")["differences"] == []
    holding_it = {str(path) for path in old if occurrences([path], [B_NUMBER])[path.name]}
    assert {str(filled.folder / "old" / name) for name in ("backup.db", "tasks.csv")} <= holding_it
    assert holding_it <= set(told["files"])
    (record, _) = filled.ask("audit", "--action", "number.purge")["records"]
    assert record["object"] == told["token"]


def test_beside_a_server_the_file_is_not_written_anew(filled: Shell) -> None:
    with holding(str(filled.store)):
        told = filled.ask("purge", "--phone", B_NUMBER)
    assert (told["file_rewritten"], told["log_emptied"]) == (False, True)


def test_people_see_what_was_done_and_what_is_left_to_do(filled: Shell) -> None:
    saved(filled, "old")
    shown = filled.run("purge", "--phone", B_NUMBER).out
    assert "tasks with the number" in shown
    assert "old/backup.db" in shown
    assert max(map(len, shown.splitlines())) <= 80 or "Still has the number" in shown


def test_a_short_number_is_refused(filled: Shell) -> None:
    said = filled.run("purge", "--phone", "305305")
    assert (said.status, "phone" in said.err) == (2, True)
