"""A ledger with tasks of every kind, what else may stand in its derived tables, and moments in a rebuild."""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, update

import receiver.domain.fold
from receiver.domain.facts import Fact
from receiver.domain.task_facts import TaskFacts
from receiver.ledger.append import Arrival
from receiver.ledger.tables import LINK
from receiver.tasks.tables import FINDING, QUEUE, TASK
from tests.factories import ACCOUNT, delivery, finished, hook, queue, seen, settled
from tests.ledger.ledger_env import LedgerEnv

TASKS = 60


def facts() -> list[Fact]:
    """About tasks known by ref, by id, by either, and by several ids under one ref; one has many facts."""
    said = [queue(900.0), queue(950.0, "6"), queue(990.0, status="off")]
    for number in range(TASKS):
        ref, task_id, at = f"r{number:03}", str(100 + number), 1_000.0 + number
        said += [hook("before", at, about=(ref, None)), hook("after", at + 90, about=(ref, None))]
        if number % 2:
            said += [hook("before", at, about=(None, f"9{task_id}"))]
        if number % 3:
            said += [hook("before_again", at + 70, about=(None, task_id))]
        if number % 4:
            said += [
                finished("failed", at + 95, about=(ref, task_id)),
                settled(at + 400, about=(ref, task_id)),
            ]
        if number % 10 == 9:
            said += [seen("executed", at + 50, about=(ref, f"1{task_id}"))]
    return said + [hook("before", 1.0, about=("crowded", None), copy=copy) for copy in range(50)]


async def filled(ledger_env: LedgerEnv) -> None:
    """Let all that be known."""
    await ledger_env.ledger.record(facts())
    assert ledger_env.derived() == ledger_env.told_by_the_ledger()


async def tell(ledger_env: LedgerEnv, *told: Any) -> None:
    """Run statements in one transaction, past all rules."""

    def work(connection: Connection) -> None:
        for statement in told:
            connection.execute(statement)

    await ledger_env.store.write(work)


async def damaged(ledger_env: LedgerEnv) -> None:
    """What an older version's rules may have left, and worse: most rows are other ones."""
    keys = [row["key"] for row in ledger_env.rows(TASK)]
    random.Random(4).shuffle(keys)
    wrong, gone, moved = keys[:20], keys[20:35], keys[35:40]
    await tell(
        ledger_env,
        update(TASK).where(TASK.c.key.in_(wrong)).values(state="new", attempts=9, lost={"after": 3}),
        delete(TASK).where(TASK.c.key.in_(gone)),
        *(update(TASK).where(TASK.c.key == key).values(key=f"{key}-moved") for key in moved),
        insert(TASK).values([_stranger(*name) for name in _strangers()]),
        delete(FINDING).where(FINDING.c.kind == "after"),
        update(FINDING).where(FINDING.c.kind == "before").values(count=8),
        insert(FINDING).values([_strange_finding(*name) for name in _strangers()]),
        update(LINK).where(LINK.c.task_id.in_(["101", "102"])).values(ref="r000"),
        delete(LINK).where(LINK.c.task_id.in_(["105", "106"])),
        insert(LINK).values(account=ACCOUNT, task_id="9101", ref="r000"),
        update(QUEUE).where(QUEUE.c.queue_id == "6").values(status="gone", observed_at=9e9),
    )


def _strangers() -> list[tuple[str, str]]:
    """Preliminary keys of tasks that have a ref by now, and tasks of which nobody ever said anything."""
    linked = [(ACCOUNT, f"#{100 + number}") for number in range(1, TASKS, 4)]
    return [*linked, *((account, "r9999") for account in (ACCOUNT, "aaa", "zzz"))]


def _stranger(account: str, key: str) -> dict[str, Any]:
    counts = {name: {"before": 7} for name in ("expected", "arrived", "duplicates", "lost")}
    state = {"state": "new", "confidence": "events", "gone": False, "settled": False}
    about = {"account": account, "key": key, "first_at": 1.0, "last_at": 1.0}
    return about | state | counts | {"attempts": 9, "attempts_exact": False}


def _strange_finding(account: str, key: str) -> dict[str, Any]:
    about = {"account": account, "key": key, "at": 1.0}
    return about | {"category": "drift", "kind": "gone", "count": 1, "detail": ""}


def arrival(fact: Fact) -> Arrival:
    """A hook's delivery, with the fact that it is."""
    return Arrival(delivery(fact.id)._replace(ref=fact.ref), fact)


def broken() -> None:
    """An end from outside, in the middle of it."""
    raise KeyboardInterrupt


@contextmanager
def while_folding(name: str, work: Callable[[], object]) -> Iterator[None]:
    """Once while a rebuild folds the task of this ref or id, so between reading and writing, do something."""
    todo, before = [work], vars(receiver.domain.fold)["sort"]

    def sorted_facts(facts: Iterable[Fact]) -> TaskFacts:
        known = list(facts)
        if todo and name in (known[0].ref, known[0].task_id):
            todo.pop()()
        sorted_out: TaskFacts = before(known)
        return sorted_out

    with pytest.MonkeyPatch.context() as surroundings:
        surroundings.setattr(receiver.domain.fold, "sort", sorted_facts)
        yield
    assert not todo
