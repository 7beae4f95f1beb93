"""What is measured of attempts to deliver."""

import pytest

from tests.outcomes.delivery_env import DeliveryEnv
from tests.outcomes.subscriber import Subscriber
from tests.outcomes.test_sender import live

pytestmark = pytest.mark.anyio


async def test_what_a_format_does_not_tell_is_no_attempt_that_took_no_time(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    await delivery_env.subscribe(
        crm.url, format="template", options={"body": "{}", "types": ["task.finished"]}
    )
    async with delivery_env.delivering():
        await live(delivery_env, "r1")
        await delivery_env.until("delivered", 1)
        await delivery_env.until("dropped", 4)
    sample = delivery_env.ledger_env.sample
    assert sample("delivery_attempts_total", subscription="crm", outcome="dropped") == 4
    assert sample("delivery_duration_seconds_count", subscription="crm") == 1
