"""Each format against what its readers expect of it."""

import re
import time
from typing import Any

import orjson
import pytest

from receiver.outcomes.event_types import example
from receiver.outcomes.formats import FORMATS
from receiver.outcomes.outbound import Answer, FormatError, Letter, Posted, Subscription
from receiver.outcomes.signing import new_secret
from receiver.outcomes.subscription_filter import Format
from tests.outcomes.subscriber import Received

pytestmark = pytest.mark.anyio

SECRET = new_secret()
AT = 1_772_357_600.0


def letter(
    format: Format, url: str = "https://crm.example/in", event: str = "task.finished", **more: Any
) -> Letter:
    options = more.pop("options", {})
    data = {**example("task.finished")["data"], "talk_s": 64.0, **more}
    return Letter("evt_1", event, AT, data, Subscription("s", url, [SECRET], format, options), time.time())


class Keeping:
    """Takes whatever comes."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []

    async def __call__(self, posted: Posted) -> Answer:
        self.posted.append(posted)
        return Answer(200)


async def told(it: Letter) -> Posted:
    keeping = Keeping()
    assert await FORMATS[it.subscription.format].send(it, keeping)
    (posted,) = keeping.posted
    return posted


def verify(posted: Posted) -> None:
    """By the published library, which looks at the clock."""
    Received(dict(posted.headers), posted.body).verify(SECRET)


async def test_standard() -> None:
    posted = await told(letter("standard"))
    verify(posted)
    event = orjson.loads(posted.body)
    assert (event["id"], event["type"]) == ("evt_1", "task.finished")
    assert posted.headers["webhook-id"] == "evt_1"
    assert len(posted.body) < 20_000


async def test_cloudevents_structured() -> None:
    posted = await told(letter("cloudevents"))
    verify(posted)
    event = orjson.loads(posted.body)
    assert posted.headers["content-type"].startswith("application/cloudevents+json")
    assert (event["specversion"], event["id"], event["type"]) == ("1.0", "evt_1", "receiver.task.finished")
    assert {"source", "subject", "time", "data", "datacontenttype"} <= event.keys()
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in event)


async def test_cloudevents_binary() -> None:
    posted = await told(letter("cloudevents", options={"mode": "binary", "prefix": "com.example."}))
    verify(posted)
    assert posted.headers["ce-type"] == "com.example.task.finished"
    assert posted.headers["ce-specversion"] == "1.0"
    assert orjson.loads(posted.body)["result"] == "connected"
    with pytest.raises(FormatError, match="mode"):
        await told(letter("cloudevents", options={"mode": "both"}))


async def test_a_template_makes_any_body() -> None:
    options = {
        "body": '{"who": {{ event.data.b_number.e164 | tojson }}, "how": "{{ event.data.result }}"}',
        "method": "put",
        "headers": {"X-Key": "k"},
    }
    posted = await told(letter("template", options=options))
    verify(posted)
    assert orjson.loads(posted.body) == {"who": "+79990000002", "how": "connected"}
    assert (posted.method, posted.headers["x-key"]) == ("PUT", "k")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"body": "{{ event.__class__.__mro__ }}"},
        {"body": "{% for"},
        {"body": "{{ ''.__class__ }}{{ cycler.__init__.__globals__ }}"},
        {"body": "{{ 'x' * 100000 }}"},
        {"body": "{{ range(10000000) | list }}"},
        {"body": "x", "headers": {"webhook-id": "mine"}},
        {"body": "x", "headers": {"x": "a\r\nb: c"}},
        {"body": "x", "headers": ["x"]},
        {"body": "x", "method": "DELETE"},
    ],
)
async def test_a_template_cannot_get_out_of_its_sandbox_or_grow_without_end(options: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="options"):
        await told(letter("template", options=options))
