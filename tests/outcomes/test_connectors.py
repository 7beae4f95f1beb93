"""Each connector against what its vendor documents: one call in the CRM an event, whatever is repeated."""

from dataclasses import replace
from typing import Any

import httpx2
import pytest

from receiver.domain.reasons import CALL_RESULTS
from receiver.outcomes.outbound import FormatError, HttpResponse, UnsendableError
from receiver.outcomes.subscription import FormatName
from tests.outcomes.connector_env import LOST, NAMES, RECORD, Asked, Message, converse, stand_of
from tests.outcomes.vendors import told

pytestmark = pytest.mark.anyio

LAST = {"bitrix24": "finish.json", "amocrm": "calls", "hubspot": "calls"}
"""The request that makes the call."""


@pytest.mark.parametrize("name", NAMES)
async def test_a_repeat_after_a_lost_answer_makes_no_second_call(name: FormatName) -> None:
    vendor, message = stand_of(name), Message(name)
    vendor.next[LAST[name]] = LOST
    with pytest.raises(httpx2.ReadTimeout):
        await message.send(vendor)
    assert (await message.send(vendor)).is_good
    assert len(vendor.calls) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_a_repeat_after_an_error_makes_the_call(name: FormatName) -> None:
    vendor, message = stand_of(name), Message(name)
    answer = vendor.answer
    vendor.answer = lambda path, request: HttpResponse(503) if path == LAST[name] else answer(path, request)
    assert (await message.send(vendor)).status == 503
    vendor.answer = answer
    assert (await message.send(vendor)).is_good
    assert len(vendor.calls) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_two_calls_of_one_customer_are_two(name: FormatName) -> None:
    vendor = stand_of(name)
    vendor.next[LAST[name]] = LOST
    first, second = Message(name), Message(name, "evt_2")
    with pytest.raises(httpx2.ReadTimeout):
        await first.send(vendor)
    for message in (second, first):
        assert (await message.send(vendor)).is_good
    assert len(vendor.calls) == 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "data",
    [
        {"b_number": None},
        {"b_number": {"raw": "", "e164": None}},
        {"options": {"customer": "a"}, "a_number": None},
    ],
)
async def test_a_call_without_a_number_can_never_be_told(name: FormatName, data: dict[str, Any]) -> None:
    vendor = stand_of(name)
    with pytest.raises(UnsendableError, match="number"):
        await Message(name, **data).send(vendor)
    assert vendor.asked == []


@pytest.mark.parametrize("name", NAMES)
async def test_the_call_began_when_its_attempt_did(name: FormatName) -> None:
    vendor = stand_of(name)
    await Message(name, attempt_started_at="2026-03-01T09:31:02.000Z").send(vendor)
    (call,) = vendor.calls
    began = call.get("CALL_START_DATE") or call.get("hs_timestamp") or call["created_at"]
    assert began in ("2026-03-01T09:31:02.000Z", 1_772_357_462)


@pytest.mark.parametrize("name", NAMES)
async def test_the_recording_comes_with_the_call_where_there_is_one(name: FormatName) -> None:
    vendor = stand_of(name)
    options = {"record_url": RECORD}
    await Message(name, record="a/b 1", options=options).send(vendor)
    await Message(name, "evt_2", record=None, options=options).send(vendor)
    with_it, without = vendor.calls
    names = ("recording", "link", "hs_call_recording_url")
    assert [with_it[each] for each in names if each in with_it] == ["https://pbx.example/records/a%2Fb%201"]
    assert not set(names) & set(without)
    with pytest.raises(FormatError, match="record_url"):
        await Message(name, "evt_3", record="1", options={"record_url": "https://pbx.example/"}).send(vendor)


@pytest.mark.parametrize("result", CALL_RESULTS)
@pytest.mark.parametrize("name", NAMES)
async def test_every_result_has_a_word_at_every_vendor(name: FormatName, result: str) -> None:
    vendor = stand_of(name)
    assert (await Message(name, result=result, talk_s=None, connected_at=None).send(vendor)).is_good
    assert len(vendor.calls) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_connectors_tell_only_how_a_call_ended(name: FormatName) -> None:
    for event in ("task.started", "task.attempt_started", "task.connected", "task.reconciled", "task.gone"):
        assert await converse(replace(Message(name).event, type=event), stand_of(name)) is None


@pytest.mark.parametrize(
    ("name", "options", "needed"),
    [
        ("amocrm", {"token": ""}, "options.token"),
        ("hubspot", {"token": None}, "options.token"),
        ("bitrix24", {"user_id": None}, "options.user_id"),
        ("bitrix24", {"type": 2}, "options.type"),
        ("amocrm", {"customer": "c"}, "options.customer"),
        ("amocrm", {"results": "all"}, "options.results"),
    ],
)
async def test_what_is_missing_is_named(name: FormatName, options: dict[str, Any], needed: str) -> None:
    with pytest.raises(FormatError, match=needed) as caught:
        await Message(name, options=options, extension_id=None).send(stand_of(name))
    assert not isinstance(caught.value, UnsendableError), "whoever changes the option can have it sent"


@pytest.mark.parametrize("name", NAMES)
async def test_a_test_event_writes_no_call_into_the_crm(name: FormatName) -> None:
    asked = Asked(told({"result": {"isExisting": True, "isAvailable": True}}))
    empty = {"account": "", "queue_id": None, "result": "unknown", "ref": None, "task_id": None}
    response = await converse(replace(Message(name).event, type="receiver.test", data=empty), asked)
    assert response
    assert response.is_good
    (request,) = asked.requests
    assert request.method == "GET" or request.url.endswith("/method.get.json")
