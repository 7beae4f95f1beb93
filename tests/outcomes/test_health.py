"""When a subscription begins to fail, recovers or is disabled, that is stored and logged once."""

import asyncio

import pytest
from structlog.testing import capture_logs

from receiver.outcomes.lane import DELAYS_S
from tests.factories import START
from tests.outcomes.delivery_env import DeliveryEnv, SteppedClock
from tests.outcomes.subscriber import Subscriber, always, ok
from tests.outcomes.test_sender import live

pytestmark = pytest.mark.anyio

CHANGES = ("subscription fails", "subscription recovered", "subscription disabled")


async def test_the_first_failure_and_the_recovery_are_logged_once(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    delivery_env.clock = clock = SteppedClock(START + 1000)
    crm.answering = always(401)
    await delivery_env.subscribe(crm.url, filter={"types": ["task.finished"]})
    with capture_logs() as logs:
        async with delivery_env.delivering():
            await live(delivery_env, "r1", "r2")
            await delivery_env.tried(2)
            await asyncio.sleep(0.1)
            stored = delivery_env.subscription()
            assert (stored["failing_since"], stored["problem"]) == (clock.time, "answered 401")
            crm.answering = ok
            clock.time += 2 * DELAYS_S[0]
            await delivery_env.until("delivered", 2)
    stored = delivery_env.subscription()
    assert (stored["failing_since"], stored["problem"]) == (None, None)
    told = [entry for entry in logs if entry["event"] in CHANGES]
    assert [(entry["event"], entry["subscription"], entry.get("problem")) for entry in told] == [
        ("subscription fails", "crm", "answered 401"),
        ("subscription recovered", "crm", None),
    ]


async def test_a_disabled_subscription_is_logged(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    crm.answering = always(410)
    await delivery_env.subscribe(crm.url)
    await live(delivery_env, "r1")
    with capture_logs() as logs:
        async with delivery_env.delivering():
            await delivery_env.until("dead", 5)
    assert [entry["event"] for entry in logs if entry["event"] in CHANGES] == ["subscription disabled"]
