"""What each vendor alone documents, and what the sender makes of its answers."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from receiver.outcomes.http_delivery import HttpDelivery
from receiver.outcomes.outbound import AttemptResult, HttpRequest, HttpResponse
from receiver.outcomes.subscription import FormatName
from receiver.runtime.clock import WallClock
from receiver.storage.engine import Store
from tests.outcomes.connector_env import AT, LOST, NUMBER, RECORD, Asked, Message, converse
from tests.outcomes.vendors import AmoCrmStand, Bitrix24Stand, HubSpotStand, refuse, told

pytestmark = pytest.mark.anyio


async def test_bitrix24_a_test_tells_that_the_webhook_lacks_the_right() -> None:
    asked = Asked(told({"result": {"isExisting": True, "isAvailable": False}}))
    response = await converse(replace(Message("bitrix24").event, type="receiver.test"), asked)
    assert response
    assert "telephony" in (response.problem or "")


async def test_bitrix24_registers_and_finishes() -> None:
    portal, message = Bitrix24Stand(), Message("bitrix24", options={"user_id": None})
    assert (await message.send(portal)).status == 200
    (call,) = portal.calls
    assert (call["USER_PHONE_INNER"], call["PHONE_NUMBER"], call["TYPE"]) == ("305", NUMBER, 1)
    assert (call["STATUS_CODE"], call["DURATION"], call["SHOW"]) == ("200", 64, 0)
    assert call["EXTERNAL_CALL_ID"] == "evt_1"


async def test_bitrix24_the_type_is_a_setting() -> None:
    portal = Bitrix24Stand()
    await Message("bitrix24", options={"type": 4}).send(portal)
    assert [call["TYPE"] for call in portal.calls] == [4]


async def test_bitrix24_a_repeat_finishes_the_same_call_however_late() -> None:
    portal, message = Bitrix24Stand(), Message("bitrix24")
    answer = portal.answer

    def fail(path: str, request: HttpRequest) -> HttpResponse:
        return HttpResponse(500) if path == "finish.json" else answer(path, request)

    portal.answer = fail  # type: ignore[method-assign]
    await message.send(portal)
    portal.answer = answer  # type: ignore[method-assign]
    portal.clock += 7_200
    assert (await message.send(portal)).is_good
    assert portal.asked == ["register.json", "finish.json", "finish.json"]
    assert (len(portal.calls), portal.registered) == (1, {})


async def test_bitrix24_a_call_that_is_not_found_was_finished_only_if_that_was_tried_before() -> None:
    portal, message = Bitrix24Stand(), Message("bitrix24")
    portal.next["finish.json"] = refuse("Call is not found (call should be registered prior to finishing)")
    assert not (await message.send(portal)).is_good
    again = await message.send(portal)
    assert (again.is_good, again.status) == (True, 400)
    portal.next["finish.json"] = refuse("User is not found or is not active")
    assert not (await message.send(portal)).is_good


async def test_bitrix24_a_recording_that_was_not_attached_is_attached_to_the_same_call() -> None:
    portal, message = Bitrix24Stand(), Message("bitrix24", record="1", options={"record_url": RECORD})
    portal.next["attachRecord.json"] = refuse("Server returns HTTP error code 404")
    assert not (await message.send(portal)).is_good
    assert (await message.send(portal)).is_good
    assert portal.asked == ["register.json", "finish.json", "attachRecord.json", "attachRecord.json"]


@pytest.mark.parametrize("path", ["register.json", "finish.json"])
@pytest.mark.parametrize(
    "text",
    ['{"error":"ERROR_CORE","error_description":"x"}', '{"result":[]}', '{"result":null}', "<html>", ""],
)
async def test_bitrix24_an_error_in_a_good_answer_is_the_problem_of_the_attempt(path: str, text: str) -> None:
    portal, message = Bitrix24Stand(), Message("bitrix24")
    portal.next[path] = HttpResponse(200, text)
    answer = await message.send(portal)
    assert (answer.status, answer.text, answer.is_good) == (200, text, False)
    assert "telephony.externalCall" in (answer.problem or "")


async def test_bitrix24_too_many_requests_slow_it_down() -> None:
    portal, message = Bitrix24Stand(), Message("bitrix24")
    portal.next["register.json"] = HttpResponse(503, '{"error":"QUERY_LIMIT_EXCEEDED"}')
    assert (await message.send(portal)).retry_after == "2"


@pytest.mark.parametrize(("choice", "is_good"), [({}, True), ({"unknown_contact": "retry"}, False)])
async def test_amocrm_a_number_that_no_card_has(choice: dict[str, str], is_good: bool) -> None:
    answer = await Message("amocrm", options=choice).send(AmoCrmStand())
    assert (answer.status, answer.is_good) == (400, is_good)
    assert is_good or answer.problem == "no card has the number"


@pytest.mark.parametrize(
    "text", ['{"errors":[{"status":400}],"_total_items":0}', "<html>", "{}", '{"errors":{}}']
)
async def test_amocrm_an_error_in_a_good_answer_is_the_problem_of_the_attempt(text: str) -> None:
    account = AmoCrmStand(NUMBER)
    account.next["calls"] = HttpResponse(200, text)
    answer = await Message("amocrm").send(account)
    assert (answer.status, answer.is_good) == (200, False)
    assert answer.problem


async def test_amocrm_a_mapping_of_ones_own() -> None:
    account = AmoCrmStand(NUMBER)
    await Message("amocrm", options={"results": {"connected": 2}}).send(account)
    (call,) = account.calls
    assert (call["call_status"], call["duration"], call["uniq"]) == (2, 64, "evt_1")


async def test_hubspot_logs_a_call_in_milliseconds() -> None:
    portal = HubSpotStand()
    assert (await Message("hubspot").send(portal)).status == 201
    (call,) = portal.calls
    assert (call["hs_call_duration"], call["hs_call_status"]) == ("64000", "COMPLETED")
    assert call["hs_call_disposition"] == "f240bbac-87c9-4f6e-bf70-924b57d47db7"
    assert portal.associated == []


@pytest.mark.parametrize(
    "properties",
    [
        {"phone": NUMBER},
        {"mobilephone": NUMBER},
        {"hs_searchable_calculated_phone_number": "9990000002"},
        {"hs_searchable_calculated_mobile_number": "9990000002"},
    ],
)
async def test_hubspot_the_call_belongs_to_the_contact_with_the_number(properties: dict[str, str]) -> None:
    portal = HubSpotStand({"30": {"phone": "+79990000003"}, "31": properties, "32": properties})
    await Message("hubspot").send(portal)
    assert portal.associated == ["31"]


async def test_hubspot_our_event_id_is_looked_for_before_a_repeat_and_a_resend_only() -> None:
    portal, message = HubSpotStand(), Message("hubspot")
    portal.next["calls"] = LOST
    with pytest.raises(httpx2.ReadTimeout):
        await message.send(portal)
    assert portal.asked == ["contacts/search", "calls"]
    assert (await message.send(portal)).is_good
    assert portal.asked[2:] == ["calls/search"]
    resent = Message("hubspot")
    assert (await resent.send(portal, is_resent=True)).is_good
    assert portal.asked[3:] == ["calls/search"]
    assert len(portal.calls) == 1


@pytest.mark.parametrize("path", ["contacts/search", "calls"])
@pytest.mark.parametrize("text", ['{"status":"error","message":"x"}', "{}", "<html>", '{"results":null}'])
async def test_hubspot_an_error_in_a_good_answer_is_the_problem_of_the_attempt(path: str, text: str) -> None:
    portal, message = HubSpotStand(), Message("hubspot")
    portal.next[path] = HttpResponse(200, text)
    answer = await message.send(portal)
    assert (answer.status, answer.is_good) == (200, False)
    assert answer.problem


class _Text(httpx2.AsyncByteStream):
    def __init__(self, text: str) -> None:
        self._text = text

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._text.encode()


async def attempt(store: Store, name: FormatName, *responses: HttpResponse, **changes: Any) -> AttemptResult:
    """What the sender makes of it."""
    left, message = list(responses), Message(name, **changes)

    async def respond(_request: httpx2.Request) -> httpx2.Response:
        found = left.pop(0)
        return httpx2.Response(found.status, stream=_Text(found.text))

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as client:
        delivery = HttpDelivery(client, WallClock(), store)
        return await delivery.attempt(message.claimed, message.subscription, AT)


async def test_what_a_good_answer_says_is_wrong_stands_in_the_attempt_with_its_status(store: Store) -> None:
    error = HttpResponse(200, '{"error":"ERROR_CORE","error_description":"Unknown TYPE"}')
    made = await attempt(store, "bitrix24", error)
    assert made.response
    assert (made.response.status, "Unknown TYPE" in made.response.text) == (200, True)
    assert (made.kind, made.problem) == (
        "failed",
        "answered 200: telephony.externalCall.register: ERROR_CORE",
    )


async def test_what_can_never_be_sent_is_tried_once(store: Store) -> None:
    made = await attempt(store, "hubspot", b_number=None)
    assert made.response is None
    assert made.kind == "unsendable"


async def test_a_call_is_not_finished_where_its_id_cannot_be_saved(store: Store) -> None:
    """The store has no such claim any more."""
    portal, message = Bitrix24Stand(), Message("bitrix24")

    async def respond(request: httpx2.Request) -> httpx2.Response:
        found = await portal(HttpRequest(str(request.url), request.content, dict(request.headers)))
        return httpx2.Response(found.status, stream=_Text(found.text))

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as client:
        delivery = HttpDelivery(client, WallClock(), store)
        made = await delivery.attempt(message.claimed, message.subscription, AT)
    assert (made.kind, "another sender has claimed the message" in (made.problem or "")) == ("failed", True)
    assert portal.asked == ["register.json"]
    assert (await message.send(portal)).is_good
    assert len(portal.calls) == 1
