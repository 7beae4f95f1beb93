"""`bitrix24`: registers a call, finishes it and attaches its recording by `telephony.externalCall.register`,
`.finish` and `.attachRecord`.

The CALL_ID of the registered call is saved before the call is finished, so that a later attempt finishes the
same call. If it is lost, registering within 30 minutes returns the same CALL_ID, because EXTERNAL_CALL_ID is
the id of the event. Without that id Bitrix24 would join two calls to the same number.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from receiver.outcomes.formats import calls
from receiver.outcomes.formats.calls import document, mapped, needed
from receiver.outcomes.outbound import Exchange, FormatError, HttpRequest, HttpResponse, OutboundEvent, Steps

_STATUS = {
    "connected": "200",
    "no_answer": "304",
    "busy": "486",
    "rejected": "603",
    "cancelled": "603-S",
    "unavailable": "480",
    "wrong_number": "404",
    "failed": "503",
    "unknown": "OTHER",
}
_OUTBOUND, _CALLBACK = 1, 4

_REGISTER = "telephony.externalCall.register"
_TOO_MANY = "QUERY_LIMIT_EXCEEDED"
_PAUSE_S = "2"


def bitrix24(event: OutboundEvent) -> Exchange:
    """Register and finish the call. The URL is that of an inbound webhook, `https://PORTAL/rest/USER/CODE/`.
    Options: `user_id` or `user_phone_inner` (whose call it is), `customer` (a or b), `type` (1: outbound, 4:
    callback), `crm_create` (make a lead for an unknown number), `line`, `record_url`, `results`.
    """
    if event.type not in calls.ENDS:
        return None
    if event.type == calls.TEST:
        return _if_available((yield from _call_method(event, "method.get", {"name": _REGISTER})))
    progress = dict(event.progress)
    if "call_id" not in progress:
        registered = yield from _call_method(event, _REGISTER, _call(event))
        if not registered.is_good:
            return registered
        progress["call_id"] = call_id = _call_id(registered)
        if call_id is None:
            return replace(registered, problem="registered without a CALL_ID")
    return (yield from _finish(event, progress))


def _finish(event: OutboundEvent, progress: Mapping[str, Any]) -> Steps:
    record, call_id = calls.recording_url(event), progress["call_id"]
    if "finished" not in progress or record is None:
        end = _end(event, call_id)
        finished = yield from _call_method(event, "telephony.externalCall.finish", end, progress)
        if event.progress and _is_not_found(finished):
            finished = replace(finished, is_done=True)  # by an attempt whose response was lost
        if record is None or not finished.is_good:
            return finished
    name = f"{event.data['record']}{'.wav' if record.lower().endswith('.wav') else '.mp3'}"
    attach = {"CALL_ID": call_id, "FILENAME": name, "RECORD_URL": record}
    progress = {**progress, "finished": True}
    return (yield from _call_method(event, "telephony.externalCall.attachRecord", attach, progress))


def _call_method(
    event: OutboundEvent, method: str, body: Mapping[str, object], progress: Mapping[str, Any] | None = None
) -> Steps:
    """Call a method. An error in a response that looks good becomes its problem."""
    url, headers = f"{event.subscription.url.rstrip('/')}/{method}.json", {"content-type": "application/json"}
    response = yield HttpRequest(url, orjson.dumps(body), headers, progress=progress)
    answer = document(response)
    error = answer.get("error")
    if error == _TOO_MANY:
        return replace(response, retry_after=response.retry_after or _PAUSE_S)
    if not response.is_good:
        return response
    if error is not None:
        return replace(response, problem=f"{method}: {error or 'an error'}")
    return response if answer.get("result") else replace(response, problem=f"{method}: without a result")


def _if_available(response: HttpResponse) -> HttpResponse:
    result = document(response).get("result")
    if response.is_good and isinstance(result, dict) and result.get("isAvailable") is False:
        return replace(response, problem="the webhook may not register calls: give it the scope `telephony`")
    return response


def _is_not_found(response: HttpResponse) -> bool:
    answer = document(response)
    return (
        "call is not found" in str(answer.get("error_description")).lower()
        or answer.get("error") == "ERROR_NOT_FOUND"
    )


def _user(event: OutboundEvent) -> dict[str, object]:
    inner = event.option("user_phone_inner") or event.data.get("extension_id")
    if event.option("user_id") is None and inner:
        return {"USER_PHONE_INNER": inner}
    return {"USER_ID": needed(event, "user_id")}


def _call(event: OutboundEvent) -> dict[str, object]:
    kind = event.option("type", _OUTBOUND)
    if kind not in (_OUTBOUND, _CALLBACK):
        raise FormatError(f"options.type: {_OUTBOUND} (outbound) or {_CALLBACK} (callback)")
    call: dict[str, object] = {
        **_user(event),
        "PHONE_NUMBER": calls.customer_number(event),
        "TYPE": kind,
        "EXTERNAL_CALL_ID": event.id,
        "CALL_START_DATE": calls.began_at(event),
        "CRM_CREATE": 1 if event.option("crm_create", False) else 0,
        "SHOW": 0,
    }
    if line := event.option("line"):
        call["LINE_NUMBER"] = line
    return call


def _end(event: OutboundEvent, call_id: object) -> dict[str, object]:
    return {
        "CALL_ID": call_id,
        **_user(event),
        "DURATION": calls.seconds(event, "talk_s"),
        "STATUS_CODE": mapped(event, _STATUS),
        "FAILED_REASON": "" if event.data["result"] == "connected" else event.data.get("raw_result") or "",
        "ADD_TO_CHAT": 0,
    }


def _call_id(response: HttpResponse) -> str | None:
    result = document(response).get("result")
    call_id = result.get("CALL_ID") if isinstance(result, dict) else None
    return str(call_id) if call_id else None
