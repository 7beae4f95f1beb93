"""Deliveries that were read again are deleted like others, with all their readings."""

from functools import partial

import pytest

from receiver.domain.facts import EVENTS, TaskSettled, TaskSnapshot, observation
from receiver.domain.fields import DEFAULT_ALIASES, FieldReader
from receiver.inbox.rereader import Rereader, Selection
from receiver.ledger.append import Arrival
from receiver.ledger.rebuild import Comparison
from receiver.maintenance.retention import RetentionRules
from receiver.runtime.clock import WallClock
from receiver.storage.engine import Store
from tests.factories import ACCOUNT
from tests.ledger.projecting import PROJECTOR, verify
from tests.maintenance.lives import DAY, NOW, arrival, days_ago, delivery_ids, keys, prune, rows, tell

pytestmark = pytest.mark.anyio

RIGHT = FieldReader(DEFAULT_ALIASES | {"task_id": ("Nummer",)})


def fixed(task_id: str | None, days: float, body: bytes, number: int = 0) -> Arrival:
    """A hook of a fixed URL, of so long ago, which was read as of this task."""
    came = arrival((None, task_id), "before", days_ago(days), number)
    return came._replace(delivery=came.delivery._replace(body=body, method="POST"))


async def read_again(store: Store, fields: FieldReader = RIGHT) -> None:
    async for _ in Rereader(store, fields, WallClock(), is_dry=False).parts(Selection()):
        pass
    while (await store.write(partial(PROJECTOR.fold_due, limit=500, now=NOW))).dirty:
        pass


async def settle(store: Store, task_id: str, days: float) -> None:
    """The API says that the task failed, and late hooks are waited for no more."""
    failed = TaskSnapshot("finished", finish_result="failed", try_count=1, hooks=EVENTS)
    about = (None, task_id)
    await tell(
        store,
        facts=[observation(ACCOUNT, days_ago(days), said, about) for said in (failed, TaskSettled())],
    )


async def test_a_delivery_that_was_placed_later_is_kept_like_one_that_was_placed_at_once(
    store: Store,
) -> None:
    await tell(store, [fixed(None, 20, b"Nummer=7"), fixed("8", 20, b"Nummer=8")])
    await read_again(store)
    assert await prune(store, RetentionRules(set_aside=10 * DAY)) == {}
    assert await prune(store, RetentionRules(deliveries=10 * DAY)) == {"delivery": 2}
    assert keys(store) == {"#7", "#8"}
    assert verify(store) == Comparison([], 0)


async def test_a_delivery_that_names_no_task_any_more_goes_with_those_that_never_did(store: Store) -> None:
    await tell(store, [fixed("99", 20, b"id=99")])
    await read_again(store)
    assert await prune(store, RetentionRules(deliveries=10 * DAY)) == {}
    assert await prune(store, RetentionRules(set_aside=10 * DAY)) == {"set_aside": 1}


async def test_all_readings_go_with_their_tasks_and_deliveries_with_those_that_they_are_of(
    store: Store,
) -> None:
    await tell(store, [fixed("99", 20, b"Nummer=7")])
    await read_again(store)
    await settle(store, "7", 5)
    deleted = await prune(store, RetentionRules(tasks=10 * DAY))
    assert (deleted["task"], deleted["fact"], deleted["delivery"]) == (1, 2, 0)
    assert (keys(store), len(delivery_ids(store))) == ({"#7"}, 1)
    assert verify(store) == Comparison([], 0)
    await prune(store, RetentionRules(tasks=2 * DAY))
    assert rows(store) == dict.fromkeys(rows(store), 0)


async def test_a_hook_that_came_back_goes_with_its_task(store: Store) -> None:
    await tell(store, [fixed("99", 20, b"id=99")])
    await read_again(store)
    await read_again(store, FieldReader())
    await settle(store, "99", 15)
    await prune(store, RetentionRules(tasks=10 * DAY))
    assert rows(store) == dict.fromkeys(rows(store), 0)
