"""Each format against what its readers expect of it."""

import re
import time
from typing import Any

import orjson
import pytest

from receiver.delivery.formats import FORMATS
from receiver.delivery.letter import Answer, FormatError, Letter, Posted, Subscription
from receiver.domain.event_types import example
from receiver.domain.results import CALL_RESULTS
from receiver.domain.signing import new_secret
from receiver.domain.wishes import Format
from tests.delivery.subscriber import Received
from tests.delivery.vendors import AmoCrmStand, Bitrix24Stand, HubSpotStand

pytestmark = pytest.mark.anyio

SECRET = new_secret()
AT = 1_772_357_600.0
BITRIX = "https://portal.example/rest/1/code/"
AMO = {"token": "a-long-lived-token"}
HUB = {"token": "a-private-app"}


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


async def test_bitrix24_registers_and_finishes() -> None:
    portal = Bitrix24Stand()
    answer = await FORMATS["bitrix24"].send(letter("bitrix24", BITRIX), portal)
    assert answer
    assert answer.status == 200
    (call,) = portal.calls
    assert (call["USER_PHONE_INNER"], call["PHONE_NUMBER"], call["TYPE"]) == ("305", "+79990000002", 1)
    assert (call["STATUS_CODE"], call["DURATION"], call["SHOW"]) == ("200", 64, 0)


async def test_bitrix24_an_attempt_that_is_repeated_makes_no_second_call() -> None:
    portal = Bitrix24Stand()
    portal.fail_next_finish = True
    it = letter("bitrix24", BITRIX, options={"user_id": 7})
    failed = await FORMATS["bitrix24"].send(it, portal)
    assert failed
    assert failed.status == 500
    portal.clock += 300
    assert await FORMATS["bitrix24"].send(it, portal)
    assert (len(portal.calls), portal.open) == (1, {})


async def test_bitrix24_two_calls_of_one_customer_are_two_whenever_they_are_told() -> None:
    portal = Bitrix24Stand()
    portal.fail_next_finish = True
    await FORMATS["bitrix24"].send(letter("bitrix24", BITRIX), portal)
    other = letter("bitrix24", BITRIX, connected_at="2026-03-01T09:40:00.000Z")
    await FORMATS["bitrix24"].send(other, portal)
    portal.clock += 3600  # the first CALL_ID is lost by now
    await FORMATS["bitrix24"].send(letter("bitrix24", BITRIX), portal)
    assert len(portal.calls) == 2


async def test_amocrm_adds_a_call_once() -> None:
    account = AmoCrmStand("+79990000002")
    it = letter("amocrm", "https://us.amocrm.example", options=AMO)
    for _ in range(2):
        answer = await FORMATS["amocrm"].send(it, account)
        assert answer
        assert answer.status == 200
    (call,) = account.calls.values()
    assert (call["call_status"], call["duration"], call["uniq"]) == (4, 64, "evt_1")


@pytest.mark.parametrize(("choice", "status"), [({}, 200), ({"unknown_contact": "retry"}, 404)])
async def test_amocrm_a_number_that_no_card_has(choice: dict[str, str], status: int) -> None:
    it = letter("amocrm", "https://us.amocrm.example", options=AMO | choice)
    answer = await FORMATS["amocrm"].send(it, AmoCrmStand())
    assert answer
    assert answer.status == status


async def test_hubspot_logs_a_call_in_milliseconds() -> None:
    portal = HubSpotStand()
    answer = await FORMATS["hubspot"].send(
        letter("hubspot", "https://api.hubapi.example", options=HUB), portal
    )
    assert answer
    assert answer.status == 201
    (call,) = portal.calls
    assert (call["hs_call_duration"], call["hs_call_status"]) == ("64000", "COMPLETED")
    assert call["hs_call_disposition"] == "f240bbac-87c9-4f6e-bf70-924b57d47db7"


@pytest.mark.parametrize("result", CALL_RESULTS)
async def test_every_result_has_a_word_at_every_vendor(result: str) -> None:
    portal, account, hub = Bitrix24Stand(), AmoCrmStand("+79990000002"), HubSpotStand()
    quiet: dict[str, Any] = {"result": result, "talk_s": None, "connected_at": None}
    for it, vendor in (
        (letter("bitrix24", BITRIX, **quiet), portal),
        (letter("amocrm", "https://us.amocrm.example", options=AMO, **quiet), account),
        (letter("hubspot", "https://api.hubapi.example", options=HUB, **quiet), hub),
    ):
        answer = await FORMATS[it.subscription.format].send(it, vendor)
        assert answer
        assert 200 <= answer.status < 300
    assert portal.calls
    assert account.calls
    assert hub.calls


@pytest.mark.parametrize("name", ["bitrix24", "amocrm", "hubspot"])
async def test_connectors_tell_only_how_a_call_ended(name: Format) -> None:
    options = AMO | {"user_id": 1}
    for event in ("task.started", "task.attempt_started", "task.connected", "task.reconciled", "task.gone"):
        assert await FORMATS[name].send(letter(name, event=event, options=options), Keeping()) is None


@pytest.mark.parametrize(
    ("name", "options", "needed"),
    [
        ("amocrm", {}, "options.token"),
        ("hubspot", {}, "options.token"),
        ("bitrix24", {}, "options.user_id"),
        ("amocrm", AMO | {"customer": "c"}, "options.customer"),
        ("amocrm", AMO | {"results": "all"}, "options.results"),
    ],
)
async def test_what_is_missing_is_named(name: Format, options: dict[str, Any], needed: str) -> None:
    with pytest.raises(FormatError, match=needed):
        await told(letter(name, options=options, extension_id=None))


async def test_a_mapping_of_ones_own() -> None:
    account = AmoCrmStand("+79990000002")
    options = AMO | {"results": {"connected": 2}}
    await FORMATS["amocrm"].send(letter("amocrm", "https://us.amocrm.example", options=options), account)
    assert [call["call_status"] for call in account.calls.values()] == [2]
