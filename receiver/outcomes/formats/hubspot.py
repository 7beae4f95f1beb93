"""`hubspot`: logs a call with the contact that has its number, `POST /crm/v3/objects/calls`.

Before the call is logged, the message records that. A later attempt first searches for a call that has the
event's id as `hs_call_external_id`: if there is one, an attempt whose response was lost has delivered.
"""

from dataclasses import replace
from typing import Any

import orjson

from receiver.domain.numbers import national
from receiver.outcomes.formats import calls
from receiver.outcomes.formats.calls import bearer, document, mapped
from receiver.outcomes.outbound import Exchange, HttpRequest, HttpResponse, OutboundEvent, Steps

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


def hubspot(event: OutboundEvent) -> Exchange:
    """Log the call with its contact. The URL is `https://api.hubapi.com`. Options: `token` (of a private
    app), `customer` (a or b), `owner` (an id), `record_url` (https only), `results` (our result → a
    disposition's GUID).
    """
    if event.type not in calls.ENDS:
        return None
    if event.type == calls.TEST:
        return (yield HttpRequest(_url(event, f"{_CALLS}?limit=1"), b"", bearer(event), "GET"))
    properties = _properties(event)
    if event.progress or event.is_resent:
        logged = yield from _search(event, _CALLS, [("hs_call_external_id", event.id)])
        if not logged.is_good or _ids(logged):
            return logged
    contacts = yield from _search(event, _CONTACTS, _with_number(calls.customer_number(event)))
    if not contacts.is_good:
        return contacts
    return (yield from _create(event, properties, _ids(contacts)))


def _create(event: OutboundEvent, properties: dict[str, object], contacts: list[str]) -> Steps:
    associations = [{"to": {"id": contact}, "types": [_CALL_TO_CONTACT]} for contact in contacts]
    body = {"properties": properties, "associations": associations}
    response = yield from _post(event, _CALLS, body, {"sent": True})
    if response.is_good and not document(response).get("id"):
        return replace(response, problem="no call was created")
    return response


def _search(event: OutboundEvent, kind: str, any_of: list[tuple[str, str]]) -> Steps:
    """Search for the oldest object that has any of these properties."""
    groups = [
        {"filters": [{"propertyName": name, "operator": "EQ", "value": value}]} for name, value in any_of
    ]
    response = yield from _post(event, f"{kind}/search", {"filterGroups": groups, "limit": 1})
    if response.is_good and not isinstance(document(response).get("results"), list):
        return replace(response, problem=f"{kind}/search: without results")
    return response


def _post(
    event: OutboundEvent, path: str, body: dict[str, Any], progress: dict[str, Any] | None = None
) -> Steps:
    """Post an object. An error in a response that looks good becomes its problem."""
    request = HttpRequest(_url(event, path), orjson.dumps(body), bearer(event), progress=progress)
    response = yield request
    if response.is_good and document(response).get("status") == "error":
        return replace(response, problem=f"{path}: an error")
    return response


def _url(event: OutboundEvent, path: str) -> str:
    return f"{event.subscription.url.rstrip('/')}/{path}"


def _ids(response: HttpResponse) -> list[str]:
    results = document(response)["results"]
    return [str(result["id"]) for result in results if isinstance(result, dict) and result.get("id")]


def _with_number(number: str) -> list[tuple[str, str]]:
    """Return the number as written, and as HubSpot stores it for searches: without the country code."""
    written = [("phone", number), ("mobilephone", number)]
    plain = national(number)
    searchable = ("hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number")
    return [*written, *((name, plain) for name in searchable if plain)]


def _properties(event: OutboundEvent) -> dict[str, object]:
    data = event.data
    properties: dict[str, object] = {
        "hs_timestamp": calls.began_at(event),
        "hs_call_direction": "OUTBOUND",
        "hs_call_duration": str(1000 * calls.seconds(event, "talk_s")),  # milliseconds
        "hs_call_status": _STATUS[data["result"]],
        "hs_call_title": data.get("name") or "Callback",
        "hs_call_body": data.get("raw_result") or data["result"],
        "hs_call_to_number": calls.customer_number(event),
        "hs_call_from_number": calls.own_number(event),
        "hs_call_external_id": event.id,
    }
    if disposition := mapped(event, _DISPOSITION):
        properties["hs_call_disposition"] = disposition
    if owner := event.option("owner"):
        properties["hubspot_owner_id"] = str(owner)
    if recording := calls.recording_url(event):
        properties["hs_call_recording_url"] = recording
    return properties
