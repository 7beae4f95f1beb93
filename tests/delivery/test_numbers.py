"""The feed's cursor and the outbox after rows are deleted, claimed by others, or taken away."""

import time
from typing import Any

import pytest
from sqlalchemy import Connection

from receiver.api import outcomes
from receiver.api.outbound_params import OutcomeQuery
from receiver.api.subscriptions import remove_subscription
from receiver.clock import WallClock
from receiver.retention import Keep
from receiver.store import messages
from receiver.store.messages import Claim, Claimed, Settled
from tests.delivery.office import Office
from tests.delivery.subscriber import Received, Subscriber, ok
from tests.delivery.test_sender import live
from tests.factories import START
from tests.retention.lives import prune

pytestmark = pytest.mark.anyio

NOW = START + 1_000
ALL = Keep(tasks=1.0)


async def feed(office: Office, after: int) -> tuple[list[str], int]:
    """The tasks of what was told behind the cursor, and the next cursor."""
    found = await office.ask(outcomes.read_outcomes, query=OutcomeQuery(after=after, limit=100))
    return [each.data["ref"] for each in found.outcomes], found.cursor


async def test_the_cursor_skips_nothing_that_is_told_after_the_newest_was_deleted(office: Office) -> None:
    await live(office, "r1", "r2")
    told, cursor = await feed(office, 0)
    assert len(told) == 10
    await prune(office.house.store, ALL, NOW)
    assert office.outcomes() == []
    await live(office, "r3")
    assert await feed(office, cursor) == (["r3"] * 5, cursor + 5)


def claim(connection: Connection, until: float) -> Claimed:
    (claimed,) = messages.claim(connection, Claim("crm", 1, 1, NOW, until))
    return claimed


def delivered(message: Claimed) -> Settled:
    return Settled(message, "delivered", message.due_at, NOW, 0.1, 204, "", None)


async def settle(office: Office, *results: Settled) -> list[Settled]:
    return await office.house.store.write(lambda connection: messages.settle(connection, results, []))


async def claimed_by_two(office: Office) -> tuple[Claimed, Claimed]:
    """The same message, claimed by one sender and then, since that claim was over, by another."""
    await office.subscribe("http://crm.example/", filter={"types": ["task.finished"]})
    await live(office, "r1")
    store = office.house.store
    first = await store.write(lambda connection: claim(connection, NOW))
    second = await store.write(lambda connection: claim(connection, NOW + 60))
    assert first.seq == second.seq
    return first, second


async def test_an_attempt_settles_no_message_that_another_sender_has_claimed(office: Office) -> None:
    first, second = await claimed_by_two(office)
    assert await settle(office, delivered(first)) == [delivered(first)]
    assert office.states() == ["waiting"]
    assert await settle(office, delivered(second)) == []
    assert office.states() == ["delivered"]
    assert [row["message_seq"] for row in office.postings()] == [first.seq] * 2, "both were made"


async def test_an_attempt_settles_no_message_of_another_subscription(office: Office) -> None:
    _, second = await claimed_by_two(office)
    assert await settle(office, delivered(second._replace(subscription="other"))) == []
    assert office.states() == ["waiting"]
    assert office.postings() == []


async def test_what_another_sender_has_claimed_is_not_given_back(office: Office) -> None:
    first, second = await claimed_by_two(office)
    store = office.house.store
    await store.write(lambda connection: messages.give_back(connection, [first]))
    assert [row["claimed_until"] for row in office.messages()] == [second.until]
    await store.write(lambda connection: messages.give_back(connection, [second]))
    assert [row["claimed_until"] for row in office.messages()] == [None]


async def test_what_a_format_keeps_is_there_in_the_next_attempt_and_kept_by_who_has_the_claim(
    office: Office,
) -> None:
    first, second = await claimed_by_two(office)
    store = office.house.store
    kept: dict[str, Any] = {"call_id": "externalCall.1"}
    assert not await store.write(lambda connection: messages.keep(connection, first, {"call_id": "other"}))
    assert await store.write(lambda connection: messages.keep(connection, second, kept))
    await settle(office, delivered(second)._replace(state="waiting", due_at=NOW))
    third = await store.write(lambda connection: claim(connection, NOW + 90))
    assert (third.kept, third.attempts) == (kept, 1)


async def test_an_attempt_under_way_as_its_subscription_is_removed_settles_no_message_of_the_next(
    office: Office, crm: Subscriber
) -> None:
    """On SQLite the next message used to get the number of the one that was removed."""

    async def remove(_received: Received) -> Any:
        if len(crm.received) == 1:
            await office.ask(remove_subscription)
            await office.subscribe("http://127.0.0.1:9/", "other", filter={"types": ["task.finished"]})
            await live(office, "r2")
        return await ok(_received)

    crm.answering = remove
    await office.subscribe(crm.url, filter={"types": ["task.finished"]})
    await live(office, "r1")
    async with office.delivering():
        await office.tried(1)
    assert [(row["key"], row["state"]) for row in office.messages()] == [("r2", "waiting")]
    assert all(row["status"] is None for row in office.postings())


async def test_an_attempt_is_settled_though_its_claim_ended_and_was_renewed(
    office: Office, crm: Subscriber
) -> None:
    """The sender that still has a message in hand claims it once more, and sends it once."""
    office.clock = WallClock(speed=200, origin=time.time())
    await office.subscribe(crm.url, rate=0.1, order="none")
    await live(office, "r1", "r2")
    async with office.delivering():
        await office.until("delivered", 10)
    assert len(crm.received) == 10


async def test_a_message_that_can_never_be_made_is_a_dead_letter_at_once_and_harms_no_other(
    office: Office, crm: Subscriber
) -> None:
    await office.subscribe(crm.url, format="amocrm", options={"token": "t"}, name="amo")
    await office.subscribe(crm.url, filter={"types": ["task.finished"]})
    async with office.delivering():
        await live(office, "r1")
        await office.until("dead", 1)
        await office.until("delivered", 1)
    (dead,) = office.messages(state="dead")
    (posting,) = [row for row in office.postings() if row["message_seq"] == dead["seq"]]
    assert (posting["number"], posting["status"]) == (1, None)
    assert "number" in posting["problem"]
    assert office.subscription("amo")["failing_since"] is None
