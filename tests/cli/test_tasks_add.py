"""`receiver tasks add`: each task once, whatever happens on the way."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from receiver.domain.facts import EVENTS
from receiver.domain.fold import fold
from receiver.domain.hooks import our_hook
from receiver.maintenance.schema import create_tables
from receiver.reconcile.creation_sql import known
from receiver.storage.engine import Store
from tests.cli.emulation import Emulation, emulation
from tests.cli.scripted import scripted
from tests.cli.shell import SECRET, SIGNER, Shell
from tests.factories import ACCOUNT, seen
from tests.http.api_env import running_rig
from tests.ledger.projecting import put_tasks
from tests.storage.test_query_plans import overheard, plans

NUMBER = "+79161234567"
HEAD = "ref,name,a_number,b_number,start_time_utc\n"


def _row(ref: str) -> str:
    return f"{ref},Order {ref},101,{NUMBER},360000\n"


def _file(shell: Shell, *refs: str) -> str:
    return shell.file("tasks.csv", HEAD + "".join(map(_row, refs)))


def _queue(shell: Shell, name: str) -> str:
    return str(shell.ask("queues", "create", name, "--account", "main")["queue_id"])


def _add(file: str, queue: str) -> tuple[str, ...]:
    return ("tasks", "add", file, "--account", "main", "--queue", queue)


def _created(answer: dict[str, Any]) -> dict[str, bool]:
    return {row["ref"]: row["created"] for row in answer["tasks"]}


def test_tasks_are_created_with_urls_that_prove_themselves(office: Shell, scheduler: Emulation) -> None:
    queue = _queue(office, "proof")
    answer = office.ask(*_add(_file(office, "o-1", "o-2"), queue))
    assert (answer["in_doubt"], answer["problem"]) == ([], None)
    there = scheduler.tasks(queue)
    assert [task["name"] for task in there] == ["Order o-1", "Order o-2"]
    assert [row["task_id"] for row in answer["tasks"]] == [str(task["task_id"]) for task in there]
    for task, ref in zip(there, ("o-1", "o-2"), strict=True):
        paths = [our_hook(task[f"url_{event}"]) for event in EVENTS]
        assert all(path and path.ref == ref and SIGNER.verify(path) for path in paths)


def test_the_same_file_again_creates_only_what_is_new(office: Shell, scheduler: Emulation) -> None:
    queue = _queue(office, "again")
    office.ask(*_add(_file(office, "o-1", "o-2"), queue))
    again = office.ask(*_add(_file(office, "o-1", "o-2", "o-3"), queue))
    assert _created(again) == {"o-1": False, "o-2": False, "o-3": True}
    assert len(scheduler.tasks(queue)) == 3


def test_a_store_that_was_lost_is_made_up_for_by_the_queue(office: Shell, scheduler: Emulation) -> None:
    queue = _queue(office, "lost store")
    office.ask(*_add(_file(office, "o-1"), queue))
    for path in office.folder.glob("receiver.db*"):
        path.unlink()
    assert _created(office.ask(*_add(_file(office, "o-1"), queue))) == {"o-1": False}
    assert len(scheduler.tasks(queue)) == 1


def test_a_task_of_which_only_a_hook_has_told_is_not_created_again(
    office: Shell, scheduler: Emulation
) -> None:
    async def hear(folder: Path) -> None:
        async with running_rig(folder) as api_env:
            await api_env.hook("o-1", "before", 1_772_357_400.0)

    queue = _queue(office, "hearsay")
    asyncio.run(hear(office.folder))
    answer = office.ask(*_add(_file(office, "o-1"), queue))
    assert answer["tasks"] == [{"ref": "o-1", "task_id": None, "created": False}]
    assert scheduler.tasks(queue) == []


def test_many_tasks_are_created_in_chunks_and_told_in_the_order_of_the_file(
    office: Shell, scheduler: Emulation
) -> None:
    queue, refs = _queue(office, "many"), [f"o-{number}" for number in range(120)]
    assert list(_created(office.ask(*_add(_file(office, *refs), queue)))) == refs
    assert [task["name"] for task in scheduler.tasks(queue)] == [f"Order {ref}" for ref in refs]


def test_what_was_done_is_said_in_a_table(office: Shell) -> None:
    queue = _queue(office, "table")
    office.ask(*_add(_file(office, "o-1"), queue))
    said = office.run(*_add(_file(office, "o-1", "o-2"), queue))
    lines = [line.split(maxsplit=2) for line in said.out.splitlines() if line.lstrip().startswith("o-")]
    assert [(ref, done.strip()) for ref, _, done in lines] == [("o-1", "existed"), ("o-2", "created")]


def test_a_scheduler_that_is_down_is_one_clear_error(shell: Shell) -> None:
    error = shell.refused(*_add(_file(shell, "o-1"), "5"))
    host = shell.scheduler.removeprefix("http://")
    assert error.startswith(f"error: token: {host}: connection refused: nothing listens there")
    assert error.endswith("; run `receiver check` for details")


def test_a_queue_that_is_not_there_is_an_error(office: Shell) -> None:
    error = office.refused(*_add(_file(office, "o-1"), "999"))
    assert error.startswith("error: queue_id: the scheduler has no queue with this id")


def test_an_error_shows_neither_secrets_nor_numbers(shell: Shell, office: Shell) -> None:
    office.configure(secret='"another-secret-altogether"')
    error = office.refused(*_add(_file(office, "o-1"), "5"))
    assert "another-secret-altogether" not in error
    assert SECRET not in error
    assert NUMBER[1:] not in error


def test_an_answer_that_was_lost_creates_no_task_twice(tmp_path: Path) -> None:
    with emulation(lose_create=1.0) as running:
        shell = Shell(tmp_path, running.url)
        shell.configure(origin=repr(running.origin))
        queue, refs = _queue(shell, "lost"), ["o-1", "o-2", "o-3"]
        assert _created(shell.ask(*_add(_file(shell, *refs), queue))) == dict.fromkeys(refs, True)
        assert _created(shell.ask(*_add(_file(shell, *refs), queue))) == dict.fromkeys(refs, False)
        assert [task["name"] for task in running.tasks(queue)] == [f"Order {ref}" for ref in refs]
        assert running.truth()["faults"]["api_lost_create"] == 1


@pytest.mark.parametrize("as_json", [True, False])
def test_tasks_whose_fate_cannot_be_found_out_are_named_and_found_later(
    tmp_path: Path, as_json: bool
) -> None:
    with scripted() as scheduler:
        shell = Shell(tmp_path, scheduler.url)
        shell.configure()
        file = _file(shell, "o-1", "o-2")
        scheduler.silent = True
        said = shell.run(*_add(file, "5"), *(["--json"] if as_json else []))
        assert said.status == 1
        assert "o-1, o-2" in said.err
        assert "Run the same file again later." in " ".join(said.err.split())
        assert NUMBER[1:] not in said.out + said.err
        if as_json:
            assert said.json["in_doubt"] == ["o-1", "o-2"]
            assert said.json["tasks"] == []
        scheduler.unlisted = False
        assert _created(shell.ask(*_add(file, "5"))) == {"o-1": False, "o-2": False}
        assert [task["name"] for task in scheduler.tasks] == ["Order o-1", "Order o-2"]


def test_only_the_refs_of_the_file_are_read_from_the_store(tmp_path: Path) -> None:
    """Before, those of all tasks of the account were: a million for a file of one."""
    with closing(Store(tmp_path / "receiver.db")) as store:
        create_tables(store)
        with store.transaction() as connection:
            timelines = [fold([seen("executed", 1.0, about=(f"o-{n}", str(n)))]) for n in range(50)]
            put_tasks(connection, timelines)
            with overheard(connection) as heard:
                found = known(connection, ACCOUNT, {"o-7", "o-8", "new"})
            assert {ref: task.task_id for ref, task in found.items()} == {"o-7": "7", "o-8": "8", "new": None}
            read = plans(connection, heard)
            assert "SEARCH task USING INDEX sqlite_autoindex_task_1 (account=? AND key=?)" in read
            assert not any(line.startswith(("SCAN task", "SCAN task_creation")) for line in read)


NO_REFS = f"name,a_number,b_number,start_time_utc\nOrder 1,101,{NUMBER},360000\nOrder 2,101,{NUMBER},360000\n"


def test_a_file_without_refs_is_sent_a_second_time_only_by_consent(
    office: Shell, scheduler: Emulation
) -> None:
    queue, file = _queue(office, "consent"), office.file("tasks.csv", NO_REFS)
    assert set(_created(office.ask(*_add(file, queue))).values()) == {True}
    error = office.refused(*_add(file, queue))
    assert "tasks.csv: was sent at" in error
    assert "its 2 tasks would be called again. Use --yes, or give rows a `ref`" in error
    assert len(scheduler.tasks(queue)) == 2
    assert set(_created(office.ask(*_add(file, queue), "--yes")).values()) == {True}
    assert len(scheduler.tasks(queue)) == 4
    assert "would be called again" in office.refused(*_add(file, queue))
    assert set(_created(office.ask(*_add(file, _queue(office, "other")))).values()) == {True}


def test_a_file_without_refs_that_was_interrupted_is_continued(tmp_path: Path) -> None:
    with scripted() as scheduler:
        shell = Shell(tmp_path, scheduler.url)
        shell.configure()
        file = shell.file("tasks.csv", NO_REFS)
        scheduler.silent = True
        assert shell.run(*_add(file, "5")).status == 1
        scheduler.unlisted = scheduler.silent = False
        assert list(_created(shell.ask(*_add(file, "5"))).values()) == [False, False]
        assert len(scheduler.tasks) == 2
        assert "would be called again" in shell.refused(*_add(file, "5"))


def test_a_task_with_other_fields_under_the_same_ref_is_a_conflict(
    office: Shell, scheduler: Emulation
) -> None:
    queue = _queue(office, "conflict")
    office.ask(*_add(_file(office, "o-1"), queue))
    shown = office.run(*_add(office.file("tasks.csv", HEAD + f"o-1,Other,101,{NUMBER},\n"), queue))
    assert shown.status == 1
    assert "o-1: the ref belongs to a task with other fields" in " ".join(shown.err.split())
    assert len(scheduler.tasks(queue)) == 1


def test_a_task_is_canceled_by_one_command(office: Shell, scheduler: Emulation) -> None:
    queue = _queue(office, "cancel")
    office.ask(*_add(_file(office, "o-1"), queue))
    assert office.ask("tasks", "cancel", "main", "o-1")["canceled"] is True
    assert "was gone already" in office.run("tasks", "cancel", "main", "o-1").out
    assert [task["deleted"] for task in scheduler.tasks(queue)] == [True]
    assert "error: the account has no task" in office.refused("tasks", "cancel", "main", "nobody")
    assert "error: account" in office.refused("tasks", "cancel", "west", "o-1")
