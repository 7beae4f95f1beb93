"""The page of a task over HTTP: what it shows, to whom, and what its forms do."""

import re
from dataclasses import dataclass
from html import unescape

import pytest

from receiver.domain.facts import CallRecord, TaskSettled
from tests.console.page_env import PageEnv
from tests.http.api_env import A_NUMBER, T0, finished
from tests.outcomes.delivery_env import DeliveryEnv
from tests.outcomes.subscriber import Subscriber

pytestmark = pytest.mark.anyio

EVIL = "<script>alert('x')</script> Привет \"&<b>"


@dataclass
class TaskEnv:
    """A task with a contradiction, a repeated and a lost hook, and a CRM that fails. `ids`: of deliveries."""

    pages: PageEnv
    delivery: DeliveryEnv
    crm: Subscriber
    ids: list[str]


@pytest.fixture
async def task(page_env: PageEnv, crm: Subscriber) -> TaskEnv:
    api, delivery = page_env.api_env, DeliveryEnv(page_env.api_env.ledger_env)
    await api.queue("17")
    await delivery.subscribe(crm.url)
    ids = [
        await api.hook("r1", "before", T0, body="finish_result=успех&TaskID=7".encode()),
        await api.hook("r1", "before", T0 + 1, body=b"\xff\xfe\x00"),
        await api.hook("r1", "after", T0 + 75, call="c-9"),
    ]
    record = CallRecord(
        "c-1",
        result="bridged",
        init_at=T0,
        bridged_at=T0 + 10,
        hangup_at=T0 + 74,
        bridged_duration=64.0,
        legs=({"dest_number": A_NUMBER, "result": "answered", "record_uuid": "rec-1"},),
    )
    await api.said("r1", T0 + 78, finished(try_count=1), task_id="7")
    await api.said("r1", T0 + 80, record, task_id="7")
    await api.said("r1", T0 + 400, TaskSettled(), task_id="7")
    await api.said("r2", T0 + 500, finished(), task_id="8")
    return TaskEnv(page_env, delivery, crm, ids)


def text_of(page: str) -> str:
    """The text of a page, without markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


async def test_the_page_tells_what_happened(task: TaskEnv) -> None:
    text = text_of(await task.pages.page("/tasks/main/r1", "viewer"))
    for part in (
        "Task r1",
        "connected at",
        "queue call-backs",
        "confirmed",
        "1 hook lost",
        "Hooks and API",
        "recording A: rec-1",
        "1 min 4 s",
        "Other tasks of the customer",
    ):
        assert part in text, part
    assert A_NUMBER not in text
    assert "+791•••67" in text
    assert A_NUMBER in await task.pages.page("/tasks/main/r1", "viewer+numbers")
    by_id = await task.pages.page("/tasks/main/7", "viewer")
    assert "Task r1" in text_of(by_id)
