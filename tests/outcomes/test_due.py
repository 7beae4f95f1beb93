"""Whether something is due is asked as it is claimed: what cannot be claimed costs no transaction."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from receiver.outcomes import claim_sql
from receiver.outcomes.claim_sql import ClaimRequest
from tests.factories import START
from tests.outcomes.delivery_env import DeliveryEnv
from tests.outcomes.subscriber import Subscriber, always
from tests.outcomes.test_sender import live

pytestmark = pytest.mark.anyio

LATER = START + 9e9


async def due(delivery_env: DeliveryEnv, first: int = 8, again: int = 4, **more: Any) -> tuple[bool, int]:
    """Whether there is something to claim, and how much there is then."""
    now = delivery_env.clock.now()
    requests = [ClaimRequest("crm", first, again, now, now + 60, **more)]
    store = delivery_env.ledger_env.store
    due = await store.read(lambda connection: claim_sql.due(connection, requests))
    claimed = await store.write(lambda connection: claim_sql.claim(connection, requests))
    return bool(due), len(claimed)


async def test_messages_behind_a_retry_are_not_due(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    """Before, they were due, and none could be claimed: a transaction ten times a second, all day."""
    crm.answering = always(500)
    await delivery_env.subscribe(crm.url)
    async with delivery_env.delivering():
        await live(delivery_env, "r1")
        await delivery_env.tried(1)
    assert await due(delivery_env) == (False, 0)
    assert (await due(delivery_env, is_ordered=False))[0]


@pytest.mark.parametrize(("first", "again", "expected"), [(0, 4, 0), (8, 0, 1), (0, 0, 0)])
async def test_only_what_there_is_room_for_is_due(
    delivery_env: DeliveryEnv, crm: Subscriber, first: int, again: int, expected: int
) -> None:
    await delivery_env.subscribe(crm.url)
    await live(delivery_env, "r1")
    assert await due(delivery_env, first, again) == (bool(expected), expected)


async def test_a_sender_whose_messages_all_wait_writes_nothing(
    delivery_env: DeliveryEnv, crm: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm.answering = always(500)
    await delivery_env.subscribe(crm.url)
    writes: list[object] = []
    write, looks = delivery_env.ledger_env.store.write, asyncio.Semaphore(0)
    read = delivery_env.ledger_env.store.read

    async def noted(work: Callable[..., Any]) -> Any:
        writes.append(work)
        return await write(work)

    async def looked(work: Callable[..., Any], *lane: Any) -> Any:
        looks.release()
        return await read(work, *lane)

    async with delivery_env.delivering():
        await live(delivery_env, "r1", "r2")
        await delivery_env.tried(2)
        monkeypatch.setattr(delivery_env.ledger_env.store, "write", noted)
        monkeypatch.setattr(delivery_env.ledger_env.store, "read", looked)
        for _ in range(10):
            async with asyncio.timeout(10):
                await looks.acquire()
        assert writes == []
        monkeypatch.undo()
