"""Write tasks to a store, prune it, and read the remaining rows."""

from collections import Counter
from collections.abc import Iterable
from functools import partial
from zlib import crc32

from sqlalchemy import func, select

from receiver.domain.facts import (
    EVENTS,
    Event,
    Fact,
    HookEvent,
    TaskSettled,
    TaskSnapshot,
    hook_fact,
    id_time,
    observation,
)
from receiver.ledger.append import Arrival, add_arrivals
from receiver.ledger.tables import DELIVERY, DIRTY_TASK, FACT, LINK
from receiver.maintenance.expiry import Deleted
from receiver.maintenance.retention import Pruning, RetentionRules
from receiver.storage.engine import Store
from receiver.tasks.tables import FINDING, TASK
from tests.factories import ACCOUNT, About, delivery
from tests.ledger.projecting import PROJECTOR

DAY = 86_400.0
NOW = 1_772_357_400.0
TABLES = {"delivery": DELIVERY, "fact": FACT, "link": LINK, "finding": FINDING, "task": TASK}


def days_ago(days: float) -> float:
    return NOW - days * DAY


def arrival(about: About, event: Event, at: float, number: int = 0, account: str = ACCOUNT) -> Arrival:
    """Return the arrival of a hook; without a ref or an id it is set aside."""
    name = repr((account, about, event, number)).encode()
    delivery_id = f"{id_time(at)}{crc32(name):020x}"
    row = delivery(delivery_id, at, event)._replace(account=account, ref=about[0])
    if about == (None, None):
        return Arrival(row._replace(problem="names no task"), None)
    return Arrival(row, hook_fact(account, delivery_id, at, HookEvent(event), about))


def life(ref: str, task_id: str, end: float, account: str = ACCOUNT) -> tuple[list[Arrival], list[Fact]]:
    """Return hooks and facts of a task that succeeded and settled at `end`, without its `success` hook."""
    came = [event for event in EVENTS if event != "success"]
    hooks = [arrival((ref, None), event, end - 100, account=account) for event in came]
    finished = TaskSnapshot("finished", queue_id="5", finish_result="success", try_count=2, hooks=EVENTS)
    payloads = (end - 50, finished), (end, TaskSettled())
    return hooks, [observation(account, at, payload, (ref, task_id)) for at, payload in payloads]


async def tell(
    store: Store, hooks: Iterable[Arrival] = (), facts: Iterable[Fact] = (), *, folded: bool = True
) -> None:
    """Add hooks and record facts; without `folded` the tasks of the hooks stay dirty."""
    await store.write(partial(add_arrivals, arrivals=list(hooks)))
    recorded = list(facts)
    await store.write(lambda connection: PROJECTOR.record(connection, recorded))
    while folded and (await store.write(partial(PROJECTOR.fold_due, limit=500, now=NOW))).dirty:
        pass


async def live(store: Store, *lives: tuple[list[Arrival], list[Fact]]) -> None:
    """Write the hooks and facts of tasks."""
    hooks = [hook for hooks, _ in lives for hook in hooks]
    await tell(store, hooks, [fact for _, facts in lives for fact in facts])


async def prune(store: Store, keep: RetentionRules, now: float = NOW) -> Deleted:
    """Run a pass and return the deleted rows."""
    total: Deleted = Counter()
    async for batch in Pruning(store, PROJECTOR, keep, now).batches():
        total += batch.deleted
    return total


def rows(store: Store) -> dict[str, int]:
    """Return the number of rows by kind."""
    with store.snapshot() as connection:
        return {
            kind: connection.scalar(select(func.count()).select_from(table)) or 0
            for kind, table in TABLES.items()
        }


def keys(store: Store) -> set[str]:
    with store.snapshot() as connection:
        return set(connection.scalars(select(TASK.c.key)))


def delivery_ids(store: Store) -> set[str]:
    with store.snapshot() as connection:
        return set(connection.scalars(select(DELIVERY.c.id)))


def dirty_tasks(store: Store) -> set[str]:
    with store.snapshot() as connection:
        return set(connection.scalars(select(DIRTY_TASK.c.name)))
