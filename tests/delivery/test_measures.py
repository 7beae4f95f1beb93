"""What is measured of attempts to deliver."""

import pytest

from tests.delivery.office import Office
from tests.delivery.subscriber import Subscriber
from tests.delivery.test_sender import live

pytestmark = pytest.mark.anyio


async def test_what_a_format_does_not_tell_is_no_attempt_that_took_no_time(
    office: Office, crm: Subscriber
) -> None:
    await office.subscribe(crm.url, format="template", options={"body": "{}", "types": ["task.finished"]})
    async with office.delivering():
        await live(office, "r1")
        await office.until("delivered", 1)
        await office.until("dropped", 4)
    sample = office.house.sample
    assert sample("delivery_attempts_total", subscription="crm", outcome="dropped") == 4
    assert sample("delivery_duration_seconds_count", subscription="crm") == 1
