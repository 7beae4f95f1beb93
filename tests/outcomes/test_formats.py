"""Each format against what its readers expect of it."""

import re
import time
from typing import Any

import orjson
import pytest

from receiver.outcomes.event_types import example
from receiver.outcomes.outbound import FormatError, HttpRequest, HttpResponse, OutboundEvent
from receiver.outcomes.signing import new_secret
from receiver.outcomes.subscription import FormatName, Subscription
from tests.outcomes.connector_env import Asked, converse
from tests.outcomes.subscriber import Received

pytestmark = pytest.mark.anyio

SECRET = new_secret()
AT = 1_772_357_600.0


def outbound(
    format: FormatName, url: str = "https://crm.example/in", event: str = "task.finished", **more: Any
) -> OutboundEvent:
    options = more.pop("options", {})
    data = {**example("task.finished")["data"], "talk_s": 64.0, **more}
    secrets = [{"secret": SECRET, "until": None}]
    to = Subscription(id="s", name="s", url=url, secrets=secrets, format=format, options=options)
    return OutboundEvent("evt_1", event, AT, data, to, time.time())


async def sent(event: OutboundEvent) -> HttpRequest:
    vendor = Asked(HttpResponse(200))
    assert await converse(event, vendor)
    (request,) = vendor.requests
    return request


def verify(request: HttpRequest) -> None:
    """By the published library, which looks at the clock."""
    Received(dict(request.headers), request.body).verify(SECRET)


async def test_standard() -> None:
    request = await sent(outbound("standard"))
    verify(request)
    event = orjson.loads(request.body)
    assert (event["id"], event["type"]) == ("evt_1", "task.finished")
    assert request.headers["webhook-id"] == "evt_1"
    assert len(request.body) < 20_000


async def test_cloudevents_structured() -> None:
    request = await sent(outbound("cloudevents"))
    verify(request)
    event = orjson.loads(request.body)
    assert request.headers["content-type"].startswith("application/cloudevents+json")
    assert (event["specversion"], event["id"], event["type"]) == ("1.0", "evt_1", "receiver.task.finished")
    assert {"source", "subject", "time", "data", "datacontenttype"} <= event.keys()
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in event)


async def test_cloudevents_binary() -> None:
    request = await sent(outbound("cloudevents", options={"mode": "binary", "prefix": "com.example."}))
    verify(request)
    assert request.headers["ce-type"] == "com.example.task.finished"
    assert request.headers["ce-specversion"] == "1.0"
    assert orjson.loads(request.body)["result"] == "connected"
    with pytest.raises(FormatError, match="mode"):
        await sent(outbound("cloudevents", options={"mode": "both"}))


async def test_a_template_makes_any_body() -> None:
    options = {
        "body": '{"who": {{ event.data.b_number.e164 | tojson }}, "how": "{{ event.data.result }}"}',
        "method": "put",
        "headers": {"X-Key": "k"},
    }
    request = await sent(outbound("template", options=options))
    verify(request)
    assert orjson.loads(request.body) == {"who": "+79990000002", "how": "connected"}
    assert (request.method, request.headers["x-key"]) == ("PUT", "k")


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
        await sent(outbound("template", options=options))
