"""On PostgreSQL a reader marks tasks while a folder takes their marks: whoever is first, no fact is left.

Each test holds two transactions, and says what has happened in the one when the other goes on.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest
from sqlalchemy import Connection, select

from receiver.domain.facts import Fact
from receiver.ledger import folder
from receiver.ledger.append import Arrival, add_arrivals
from receiver.ledger.rebuild import Comparison
from receiver.ledger.tables import DIRTY_TASK
from receiver.ledger.throttle import Throttle
from receiver.storage.engine import Store
from receiver.tasks.tables import TASK
from tests.factories import delivery, hook
from tests.ledger.ledger_env import open_ledger_env
from tests.ledger.projecting import PROJECTOR, verify
from tests.postgres import prepared_database

BEFORE, AFTER = hook("before", 1.0), hook("after", 2.0)
OTHERS = [hook("before", 1.0, about=(f"other{number}", None)) for number in range(3)]


@pytest.fixture
def target(postgres: str) -> str:
    return prepared_database(postgres)


@pytest.fixture
def reading(target: str) -> Iterator[Store]:
    """The store of the receiver that reads."""
    with closing(Store(target)) as store:
        yield store


@pytest.fixture
def other(target: str) -> Iterator[Store]:
    """The store of the receiver that folds."""
    with closing(Store(target)) as store:
        yield store


def read(connection: Connection, *facts: Fact) -> None:
    """What a reader does with these hooks."""
    add_arrivals(connection, [Arrival(delivery(fact.id)._replace(ref=fact.ref), fact) for fact in facts])


def read_in_time(store: Store, *facts: Fact) -> None:
    with store.transaction() as connection:
        read(connection, *facts)


def folded(connection: Connection) -> set[str]:
    """Fold as a folder does; the keys of the tasks that were folded."""
    done = PROJECTOR.fold_due(connection, 10, 1_000.0)
    assert not done.is_busy
    return {task.after.key for task in done.tasks}


def marks(store: Store) -> set[str]:
    with store.snapshot() as connection:
        return set(connection.scalars(select(DIRTY_TASK.c.name)))


def fold_what_is_left(store: Store) -> None:
    """After this all is folded, and the task's row tells of both hooks."""
    with store.transaction() as connection:
        folded(connection)
    assert marks(store) == set()
    assert verify(store) == Comparison([], 0)
    with store.snapshot() as connection:
        query = select(TASK.c.hooks_arrived, TASK.c.state).where(TASK.c.key == "r1")
        assert connection.execute(query).one() == (2, "finished")


def test_a_mark_that_is_being_set_again_is_not_taken(reading: Store, other: Store) -> None:
    read_in_time(reading, BEFORE, *OTHERS)
    with reading.transaction() as connection:
        read(connection, AFTER)
        with other.transaction() as connection_of_other:
            assert folded(connection_of_other) == {"other0", "other1", "other2"}
        assert marks(other) == {"r1"}
    assert marks(other) == {"r1"}
    fold_what_is_left(other)


def test_a_mark_that_is_set_for_the_first_time_is_there_once_it_is_committed(
    reading: Store, other: Store
) -> None:
    read_in_time(reading, BEFORE)
    with other.transaction() as connection:
        assert folded(connection) == {"r1"}
    with reading.transaction() as connection:
        read(connection, AFTER)
        with other.transaction() as connection_of_other:
            assert folded(connection_of_other) == set()
    assert marks(other) == {"r1"}
    fold_what_is_left(other)


def test_a_mark_that_has_been_taken_is_set_anew_behind_the_fold(reading: Store, other: Store) -> None:
    """The fact comes too late for the fold, and its mark waits for the end of it."""
    read_in_time(reading, BEFORE)
    with ThreadPoolExecutor(1) as pool:
        with other.transaction() as connection:
            assert folded(connection) == {"r1"}
            waiting = pool.submit(read_in_time, reading, AFTER)
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
        waiting.result(10)
    assert marks(other) == {"r1"}
    fold_what_is_left(other)


def test_a_fold_that_fails_leaves_the_mark_to_whoever_waits_to_set_it(reading: Store, other: Store) -> None:
    read_in_time(reading, BEFORE)

    def fold_in_vain(pool: ThreadPoolExecutor) -> None:
        with other.transaction() as connection:
            assert folded(connection) == {"r1"}
            with pytest.raises(TimeoutError):
                pool.submit(read_in_time, reading, AFTER).result(0.3)
            raise RuntimeError("half way")

    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="half way"):
        fold_in_vain(pool)
    assert marks(other) == {"r1"}
    fold_what_is_left(other)


def test_a_reader_that_fails_leaves_the_mark_as_it_was(reading: Store, other: Store) -> None:
    read_in_time(reading, BEFORE)

    def read_in_vain() -> None:
        with reading.transaction() as connection:
            read(connection, AFTER)
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        read_in_vain()
    with other.transaction() as connection:
        assert folded(connection) == {"r1"}
    assert marks(other) == set()
    assert verify(other) == Comparison([], 0)


@pytest.mark.anyio
async def test_a_folder_finds_later_what_it_had_to_leave_to_another_receivers_reader(
    reading: Store, other: Store, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "PEEK_S", 0.05)
    async with open_ledger_env(target) as ledger_env:
        await ledger_env.caught_up()
        with ExitStack() as busy:
            busy.enter_context(monkeypatch.context()).setattr(Throttle, "allows", lambda _: False)
            read_in_time(reading, BEFORE)
            with reading.transaction() as connection:
                read(connection, AFTER)
                busy.close()
                ledger_env.folder.backlog.grow()
                await asyncio.wait_for(ledger_env.caught_up(), 10)
                assert marks(other) == {"r1"}
                assert ledger_env.rows(TASK) == []
        for _ in range(500):
            if ledger_env.rows(TASK) and not marks(other):
                break
            await asyncio.sleep(0.02)
        assert ledger_env.task()["hooks_arrived"] == 2
        assert verify(other) == Comparison([], 0)
