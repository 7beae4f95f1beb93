"""`hubspot`: a call is logged with the contact that has its number, `POST /crm/v3/objects/calls`.

That a call is about to be logged is kept with the message. A later attempt first looks for the event's id,
which the call has as `hs_call_external_id`: if it finds it, the message was delivered by an attempt whose
answer was lost.
"""

from dataclasses import replace
from typing import Any

import orjson

from receiver.domain.numbers import national
from receiver.outcomes.formats import calls
from receiver.outcomes.formats.calls import bearer, document, mapped, option
from receiver.outcomes.outbound import Answer, Letter, Post, Posted

_CONNECTED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"
_NO_ANSWER = "73a0d17f-1163-4015-bdd5-ec830791da20"
_BUSY = "9d9162e7-6cf3-4944-bf63-4dff82258764"
_WRONG_NUMBER = "17b47fee-58de-441e-a44c-c6300d46f273"

_DISPOSITION: dict[str, str | None] = {
    "connected": _CONNECTED,
    "no_answer": _NO_ANSWER,
    "busy": _BUSY,
    "rejected": _NO_ANSWER,
    "cancelled": None,
    "unavailable": _NO_ANSWER,
    "wrong_number": _WRONG_NUMBER,
    "failed": None,
    "unknown": None,
}
_STATUS = {
    "connected": "COMPLETED",
    "no_answer": "NO_ANSWER",
    "busy": "BUSY",
    "rejected": "NO_ANSWER",
    "cancelled": "CANCELED",
    "unavailable": "FAILED",
    "wrong_number": "FAILED",
    "failed": "FAILED",
    "unknown": "FAILED",
}


_CALLS, _CONTACTS = "crm/v3/objects/calls", "crm/v3/objects/contacts"

_CALL_TO_CONTACT = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 194}


class HubSpot:
    """The URL is `https://api.hubapi.com`. Options: `token` (of a private app), `customer` (a or b), `owner`
    (an id), `record_url` (https only), `results` (our result → a disposition's GUID).
    """

    async def send(self, letter: Letter, post: Post) -> Answer | None:
        if letter.type not in calls.ENDS:
            return None
        if letter.type == calls.TEST:
            return await post(Posted(_url(letter, f"{_CALLS}?limit=1"), b"", bearer(letter), "GET"))
        properties = _properties(letter)
        if letter.kept or letter.is_replay:
            found = await _search(letter, post, _CALLS, [("hs_call_external_id", letter.id)])
            if not found.is_good or _ids(found):
                return found
        contacts = await _search(letter, post, _CONTACTS, _with_number(calls.customer_number(letter)))
        if not contacts.is_good:
            return contacts
        await letter.keep({"sent": True})
        return await _create(letter, post, properties, _ids(contacts))


async def _create(letter: Letter, post: Post, properties: dict[str, object], contacts: list[str]) -> Answer:
    associations = [{"to": {"id": each}, "types": [_CALL_TO_CONTACT]} for each in contacts]
    answer = await _told(letter, post, _CALLS, {"properties": properties, "associations": associations})
    if answer.is_good and not document(answer).get("id"):
        return replace(answer, problem="no call was made")
    return answer


async def _search(letter: Letter, post: Post, kind: str, any_of: list[tuple[str, str]]) -> Answer:
    """The oldest of those that have any of these properties."""
    groups = [
        {"filters": [{"propertyName": name, "operator": "EQ", "value": value}]} for name, value in any_of
    ]
    answer = await _told(letter, post, f"{kind}/search", {"filterGroups": groups, "limit": 1})
    if answer.is_good and not isinstance(document(answer).get("results"), list):
        return replace(answer, problem=f"{kind}/search: without results")
    return answer


async def _told(letter: Letter, post: Post, path: str, body: dict[str, Any]) -> Answer:
    """The answer; an error in one that looks good is its problem."""
    answer = await post(Posted(_url(letter, path), orjson.dumps(body), bearer(letter)))
    if answer.is_good and document(answer).get("status") == "error":
        return replace(answer, problem=f"{path}: an error")
    return answer


def _url(letter: Letter, path: str) -> str:
    return f"{letter.subscription.url.rstrip('/')}/{path}"


def _ids(answer: Answer) -> list[str]:
    found = document(answer)["results"]
    return [str(each["id"]) for each in found if isinstance(each, dict) and each.get("id")]


def _with_number(number: str) -> list[tuple[str, str]]:
    """As it is written, or as HubSpot itself writes it down to be searched: without the country's code."""
    written = [("phone", number), ("mobilephone", number)]
    plain = national(number)
    searchable = ("hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number")
    return [*written, *((name, plain) for name in searchable if plain)]


def _properties(letter: Letter) -> dict[str, object]:
    data = letter.data
    properties: dict[str, object] = {
        "hs_timestamp": calls.began_at(letter),
        "hs_call_direction": "OUTBOUND",
        "hs_call_duration": str(1000 * calls.seconds(letter, "talk_s")),  # milliseconds
        "hs_call_status": _STATUS[data["result"]],
        "hs_call_title": data.get("name") or "Callback",
        "hs_call_body": data.get("raw_result") or data["result"],
        "hs_call_to_number": calls.customer_number(letter),
        "hs_call_from_number": calls.own_number(letter),
        "hs_call_external_id": letter.id,
    }
    if disposition := mapped(letter, _DISPOSITION):
        properties["hs_call_disposition"] = disposition
    if owner := option(letter, "owner"):
        properties["hubspot_owner_id"] = str(owner)
    if recording := calls.recording_url(letter):
        properties["hs_call_recording_url"] = recording
    return properties
