"""A message that is claimed is sent once, by whatever clock, and by a sender that begins anew."""

import asyncio
import time
from random import Random

import pytest
from starlette.responses import Response

from receiver.outcomes.guard import GuardedTransport
from receiver.outcomes.sender import Sender
from receiver.runtime.clock import WallClock
from tests.factories import START
from tests.outcomes.delivery_env import LOCAL, DeliveryEnv, SteppedClock
from tests.outcomes.subscriber import Received, Subscriber, ok
from tests.outcomes.test_sender import live

pytestmark = pytest.mark.anyio


async def hang(_received: Received) -> Response:
    await asyncio.sleep(3)
    return Response(status_code=204)


async def test_an_attempt_takes_at_most_20_seconds_of_the_receivers_clock(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    """A claim is kept in that time too: it would be over while the attempt goes on."""
    crm.answering = hang
    delivery_env.clock = WallClock(speed=100, origin=time.time())
    await delivery_env.subscribe(crm.url, filter={"types": ["task.finished"]})
    async with delivery_env.delivering():
        await live(delivery_env, "r1")
        await crm.until(1)
        await asyncio.sleep(1)
    assert delivery_env.attempts()[0]["problem"] == "no answer within 20 s"


async def test_what_waits_for_a_low_rate_is_not_sent_twice(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    """It waits longer than a claim lasts."""
    delivery_env.clock = WallClock(speed=200, origin=time.time())
    await delivery_env.subscribe(crm.url, rate=0.1, order="none")
    await live(delivery_env, "r1", "r2", "r3")
    async with delivery_env.delivering():
        await delivery_env.until("delivered", 15)
    assert len(crm.received) == 15


async def test_a_sender_that_failed_begins_anew_with_all_its_slots(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    crm.answering = hang
    await delivery_env.subscribe(crm.url, concurrency=1)
    await live(delivery_env, "r1")
    sender = Sender(
        delivery_env.ledger_env.store,
        GuardedTransport(LOCAL),
        delivery_env.clock,
        Random(1),
        delivery_env.ledger_env.metrics,
    )
    failing = asyncio.create_task(sender.run(asyncio.Event()))
    await crm.until(1)
    failing.cancel()
    await asyncio.wait([failing])
    crm.answering, stop = ok, asyncio.Event()
    again = asyncio.create_task(sender.run(stop))
    await delivery_env.until("delivered", 5)
    stop.set()
    await again


async def test_what_was_claimed_before_a_pause_is_sent_after_it(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    delivery_env.clock = WallClock(speed=10, origin=time.time())
    await delivery_env.subscribe(crm.url, rate=0.01, order="none")
    await live(delivery_env, "r1")
    async with delivery_env.delivering():
        await crm.until(1)
        await delivery_env.change(state="paused")
        await asyncio.sleep(0.5)
        await delivery_env.change(state="active", rate=None)
        await delivery_env.until("delivered", 5)
    assert len(crm.received) == 5


async def test_a_stop_does_not_wait_for_turns_that_a_low_rate_gives(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    await delivery_env.subscribe(crm.url, rate=0.05, order="none")
    await live(delivery_env, "r1")
    async with delivery_env.delivering():
        await crm.until(1)
        await asyncio.sleep(0.3)
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 5


async def test_a_rate_is_kept(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    await delivery_env.subscribe(crm.url, rate=20.0, order="none", concurrency=8)
    await live(delivery_env, "r1", "r2", "r3")
    began = asyncio.get_running_loop().time()
    async with delivery_env.delivering():
        await delivery_env.until("delivered", 15)
    assert asyncio.get_running_loop().time() - began >= 14 / 20.0


async def test_a_clock_put_back_keeps_no_subscription_waiting(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    delivery_env.clock = clock = SteppedClock(START + 1000)
    await delivery_env.subscribe(crm.url)
    async with delivery_env.delivering():
        await live(delivery_env, "r1")
        await delivery_env.until("delivered", 5)
        await delivery_env.subscribe(crm.url, name="other")
        clock.time -= 500
        await live(delivery_env, "r2")
        await delivery_env.until("delivered", 15)
