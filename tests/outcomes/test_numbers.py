"""The feed's cursor and the outbox after rows are deleted, claimed by others, or taken away."""

import time
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection

from receiver.maintenance.retention import RetentionRules
from receiver.outcomes import claim_sql, feed
from receiver.outcomes.claim_sql import ClaimedMessage, ClaimRequest, Settlement
from receiver.outcomes.outbound import AttemptResult, HttpResponse
from receiver.outcomes.params import OutcomeQuery
from receiver.outcomes.subscription_endpoints import remove_subscription
from receiver.runtime.clock import WallClock
from tests.factories import START
from tests.maintenance.lives import prune
from tests.outcomes.delivery_env import DeliveryEnv
from tests.outcomes.subscriber import Received, Subscriber, ok
from tests.outcomes.test_sender import live

pytestmark = pytest.mark.anyio

NOW = START + 1_000
ALL = RetentionRules(tasks=1.0)


async def read_feed(delivery_env: DeliveryEnv, after: int) -> tuple[list[str], int]:
    """The tasks of what was told behind the cursor, and the next cursor."""
    found = await delivery_env.ask(feed.read_outcomes, query=OutcomeQuery(after=after, limit=100))
    return [each.data["ref"] for each in found.outcomes], found.cursor


async def test_the_cursor_skips_nothing_that_is_told_after_the_newest_was_deleted(
    delivery_env: DeliveryEnv,
) -> None:
    await live(delivery_env, "r1", "r2")
    told, cursor = await read_feed(delivery_env, 0)
    assert len(told) == 10
    await prune(delivery_env.ledger_env.store, ALL, NOW)
    assert delivery_env.outcomes() == []
    await live(delivery_env, "r3")
    assert await read_feed(delivery_env, cursor) == (["r3"] * 5, cursor + 5)


def claim(connection: Connection, until: float) -> ClaimedMessage:
    (claimed,) = claim_sql.claim(connection, [ClaimRequest("crm", 1, 1, NOW, until)])
    return claimed


def delivered(message: ClaimedMessage) -> Settlement:
    result = AttemptResult("delivered", response=HttpResponse(204))
    return Settlement(message, "delivered", message.due_at, NOW, 0.1, result)


async def settle(delivery_env: DeliveryEnv, *results: Settlement) -> list[Settlement]:
    settled = await delivery_env.ledger_env.store.write(
        lambda connection: claim_sql.settle(connection, results, [])
    )
    return list(settled.lost)


async def claimed_by_two(delivery_env: DeliveryEnv) -> tuple[ClaimedMessage, ClaimedMessage]:
    """The same message, claimed by one sender and then, since that claim was over, by another."""
    await delivery_env.subscribe("http://crm.example/", filter={"types": ["task.finished"]})
    await live(delivery_env, "r1")
    store = delivery_env.ledger_env.store
    first = await store.write(lambda connection: claim(connection, NOW))
    second = await store.write(lambda connection: claim(connection, NOW + 60))
    assert first.seq == second.seq
    return first, second


async def test_an_attempt_settles_no_message_that_another_sender_has_claimed(
    delivery_env: DeliveryEnv,
) -> None:
    first, second = await claimed_by_two(delivery_env)
    assert await settle(delivery_env, delivered(first)) == [delivered(first)]
    assert delivery_env.states() == ["waiting"]
    assert await settle(delivery_env, delivered(second)) == []
    assert delivery_env.states() == ["delivered"]
    assert [row["message_seq"] for row in delivery_env.attempts()] == [first.seq] * 2, "both were made"


async def test_an_attempt_settles_no_message_of_another_subscription(delivery_env: DeliveryEnv) -> None:
    _, second = await claimed_by_two(delivery_env)
    assert await settle(delivery_env, delivered(replace(second, subscription="other"))) == []
    assert delivery_env.states() == ["waiting"]
    assert delivery_env.attempts() == []


async def test_what_another_sender_has_claimed_is_not_given_back(delivery_env: DeliveryEnv) -> None:
    first, second = await claimed_by_two(delivery_env)
    store = delivery_env.ledger_env.store
    await store.write(lambda connection: claim_sql.release(connection, [first]))
    assert [row["claimed_until"] for row in delivery_env.messages()] == [second.claimed_until]
    await store.write(lambda connection: claim_sql.release(connection, [second]))
    assert [row["claimed_until"] for row in delivery_env.messages()] == [None]


async def test_what_a_format_keeps_is_there_in_the_next_attempt_and_kept_by_who_has_the_claim(
    delivery_env: DeliveryEnv,
) -> None:
    first, second = await claimed_by_two(delivery_env)
    store = delivery_env.ledger_env.store
    kept: dict[str, Any] = {"call_id": "externalCall.1"}
    assert not await store.write(
        lambda connection: claim_sql.save_progress(connection, first, {"call_id": "other"})
    )
    assert await store.write(lambda connection: claim_sql.save_progress(connection, second, kept))
    await settle(delivery_env, delivered(second)._replace(state="waiting", due_at=NOW))
    third = await store.write(lambda connection: claim(connection, NOW + 90))
    assert (third.progress, third.attempts) == (kept, 1)


async def test_an_attempt_under_way_as_its_subscription_is_removed_settles_no_message_of_the_next(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    """On SQLite the next message used to get the number of the one that was removed."""

    async def remove(_received: Received) -> Any:
        if len(crm.received) == 1:
            await delivery_env.ask(remove_subscription)
            await delivery_env.subscribe("http://127.0.0.1:9/", "other", filter={"types": ["task.finished"]})
            await live(delivery_env, "r2")
        return await ok(_received)

    crm.answering = remove
    await delivery_env.subscribe(crm.url, filter={"types": ["task.finished"]})
    await live(delivery_env, "r1")
    async with delivery_env.delivering():
        await delivery_env.tried(1)
    assert [(row["key"], row["state"]) for row in delivery_env.messages()] == [("r2", "waiting")]
    assert all(row["status"] is None for row in delivery_env.attempts())


async def test_an_attempt_is_settled_though_its_claim_ended_and_was_renewed(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    """The sender that still has a message in hand claims it once more, and sends it once."""
    delivery_env.clock = WallClock(speed=200, origin=time.time())
    await delivery_env.subscribe(crm.url, rate=0.1, order="none")
    await live(delivery_env, "r1", "r2")
    async with delivery_env.delivering():
        await delivery_env.until("delivered", 10)
    assert len(crm.received) == 10


async def test_a_message_that_can_never_be_made_is_a_dead_letter_at_once_and_harms_no_other(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    await delivery_env.subscribe(crm.url, format="amocrm", options={"token": "t"}, name="amo")
    await delivery_env.subscribe(crm.url, filter={"types": ["task.finished"]})
    async with delivery_env.delivering():
        await live(delivery_env, "r1")
        await delivery_env.until("dead", 1)
        await delivery_env.until("delivered", 1)
    (dead,) = delivery_env.messages(state="dead")
    (posting,) = [row for row in delivery_env.attempts() if row["message_seq"] == dead["seq"]]
    assert (posting["number"], posting["status"]) == (1, None)
    assert "number" in posting["problem"]
    assert delivery_env.subscription("amo")["failing_since"] is None
