"""A message that is claimed is sent once, by whatever clock, and by a sender that begins anew."""

import asyncio
import time
from random import Random

import pytest
from starlette.responses import Response

from receiver.clock import WallClock
from receiver.delivery.guard import GuardedTransport
from receiver.delivery.sender import Sender
from tests.delivery.office import LOCAL, Office, SteppedClock
from tests.delivery.subscriber import Received, Subscriber, ok
from tests.delivery.test_sender import live
from tests.factories import START

pytestmark = pytest.mark.anyio


async def hang(_received: Received) -> Response:
    await asyncio.sleep(3)
    return Response(status_code=204)


async def test_an_attempt_takes_at_most_20_seconds_of_the_receivers_clock(
    office: Office, crm: Subscriber
) -> None:
    """A claim is kept in that time too: it would be over while the attempt goes on."""
    crm.answering = hang
    office.clock = WallClock(speed=100, origin=time.time())
    await office.subscribe(crm.url, filter={"types": ["task.finished"]})
    async with office.delivering():
        await live(office, "r1")
        await crm.until(1)
        await asyncio.sleep(1)
    assert office.postings()[0]["problem"] == "no answer within 20 s"


async def test_what_waits_for_a_low_rate_is_not_sent_twice(office: Office, crm: Subscriber) -> None:
    """It waits longer than a claim lasts."""
    office.clock = WallClock(speed=200, origin=time.time())
    await office.subscribe(crm.url, rate=0.1, order="none")
    await live(office, "r1", "r2", "r3")
    async with office.delivering():
        await office.until("delivered", 15)
    assert len(crm.received) == 15


async def test_a_sender_that_failed_begins_anew_with_all_its_slots(office: Office, crm: Subscriber) -> None:
    crm.answering = hang
    await office.subscribe(crm.url, concurrency=1)
    await live(office, "r1")
    sender = Sender(
        office.house.store, GuardedTransport(LOCAL), office.clock, Random(1), office.house.metrics
    )
    failing = asyncio.create_task(sender.run(asyncio.Event()))
    await crm.until(1)
    failing.cancel()
    await asyncio.wait([failing])
    crm.answering, stop = ok, asyncio.Event()
    again = asyncio.create_task(sender.run(stop))
    await office.until("delivered", 5)
    stop.set()
    await again


async def test_what_was_claimed_before_a_pause_is_sent_after_it(office: Office, crm: Subscriber) -> None:
    office.clock = WallClock(speed=10, origin=time.time())
    await office.subscribe(crm.url, rate=0.01, order="none")
    await live(office, "r1")
    async with office.delivering():
        await crm.until(1)
        await office.change(state="paused")
        await asyncio.sleep(0.5)
        await office.change(state="active", rate=None)
        await office.until("delivered", 5)
    assert len(crm.received) == 5


async def test_a_stop_does_not_wait_for_turns_that_a_low_rate_gives(office: Office, crm: Subscriber) -> None:
    await office.subscribe(crm.url, rate=0.05, order="none")
    await live(office, "r1")
    async with office.delivering():
        await crm.until(1)
        await asyncio.sleep(0.3)
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 5


async def test_a_rate_is_kept(office: Office, crm: Subscriber) -> None:
    await office.subscribe(crm.url, rate=20.0, order="none", concurrency=8)
    await live(office, "r1", "r2", "r3")
    began = asyncio.get_running_loop().time()
    async with office.delivering():
        await office.until("delivered", 15)
    assert asyncio.get_running_loop().time() - began >= 14 / 20.0


async def test_a_clock_put_back_keeps_no_subscription_waiting(office: Office, crm: Subscriber) -> None:
    office.clock = clock = SteppedClock(START + 1000)
    await office.subscribe(crm.url)
    async with office.delivering():
        await live(office, "r1")
        await office.until("delivered", 5)
        await office.subscribe(crm.url, name="other")
        clock.time -= 500
        await live(office, "r2")
        await office.until("delivered", 15)
