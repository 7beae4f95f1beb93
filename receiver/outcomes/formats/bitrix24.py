"""`bitrix24`: a call is registered and finished, and its recording attached:
`telephony.externalCall.register`, `.finish`, `.attachRecord`.

The CALL_ID that the call is registered under is kept with the message before the call is finished, so that a
repeat finishes the same call. Where even that was lost, registering it again within 30 minutes gives the same
CALL_ID, since each event is an EXTERNAL_CALL_ID of its own: without one, two calls to the same number would
become one.
"""

from collections.abc import Mapping
from dataclasses import replace

import orjson

from receiver.outcomes.formats import calls
from receiver.outcomes.formats.calls import document, mapped, needed, option
from receiver.outcomes.outbound import Answer, FormatError, Letter, Post, Posted

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
_TOO_MUCH = "QUERY_LIMIT_EXCEEDED"
_PAUSE_S = "2"


class Bitrix24:
    """The URL is that of an inbound webhook, `https://PORTAL/rest/USER/CODE/`. Options: `user_id` or
    `user_phone_inner` (whose call it is), `customer` (a or b), `type` (1: outbound, 4: callback),
    `crm_create` (make a lead for an unknown number), `line`, `record_url`, `results`.
    """

    async def send(self, letter: Letter, post: Post) -> Answer | None:
        if letter.type not in calls.ENDS:
            return None
        if letter.type == calls.TEST:
            return _if_available(await _told(letter, post, "method.get", {"name": _REGISTER}))
        kept = dict(letter.kept)
        if "call_id" not in kept:
            registered = await _told(letter, post, _REGISTER, _call(letter))
            if not registered.is_good:
                return registered
            kept["call_id"] = call_id = _call_id(registered)
            if call_id is None:
                return replace(registered, problem="registered without a CALL_ID")
            await letter.keep(kept)
        return await _finish(letter, post, kept)


async def _finish(letter: Letter, post: Post, kept: dict[str, object]) -> Answer:
    record = calls.recording_url(letter)
    if "finished" not in kept or record is None:
        finished = await _told(letter, post, "telephony.externalCall.finish", _end(letter, kept["call_id"]))
        if letter.kept and _is_not_found(finished):
            finished = replace(finished, is_done=True)  # by an attempt whose answer was lost
        if record is None or not finished.is_good:
            return finished
        await letter.keep({**kept, "finished": True})
    name = f"{letter.data['record']}{'.wav' if record.lower().endswith('.wav') else '.mp3'}"
    attach = {"CALL_ID": kept["call_id"], "FILENAME": name, "RECORD_URL": record}
    return await _told(letter, post, "telephony.externalCall.attachRecord", attach)


async def _told(letter: Letter, post: Post, method: str, body: Mapping[str, object]) -> Answer:
    """The answer; an error in one that looks good is its problem."""
    url = f"{letter.subscription.url.rstrip('/')}/{method}.json"
    answer = await post(Posted(url, orjson.dumps(body), {"content-type": "application/json"}))
    told = document(answer)
    error = told.get("error")
    if error == _TOO_MUCH:
        return replace(answer, retry_after=answer.retry_after or _PAUSE_S)
    if not answer.is_good:
        return answer
    if error is not None:
        return replace(answer, problem=f"{method}: {error or 'an error'}")
    return answer if told.get("result") else replace(answer, problem=f"{method}: without a result")


def _if_available(answer: Answer) -> Answer:
    found = document(answer).get("result")
    if answer.is_good and isinstance(found, dict) and found.get("isAvailable") is False:
        return replace(answer, problem="the webhook may not register calls: give it the scope `telephony`")
    return answer


def _is_not_found(answer: Answer) -> bool:
    told = document(answer)
    return (
        "call is not found" in str(told.get("error_description")).lower()
        or told.get("error") == "ERROR_NOT_FOUND"
    )


def _whose(letter: Letter) -> dict[str, object]:
    inner = option(letter, "user_phone_inner") or letter.data.get("extension_id")
    if option(letter, "user_id") is None and inner:
        return {"USER_PHONE_INNER": inner}
    return {"USER_ID": needed(letter, "user_id")}


def _call(letter: Letter) -> dict[str, object]:
    kind = option(letter, "type", _OUTBOUND)
    if kind not in (_OUTBOUND, _CALLBACK):
        raise FormatError(f"options.type: {_OUTBOUND} (outbound) or {_CALLBACK} (callback)")
    call: dict[str, object] = {
        **_whose(letter),
        "PHONE_NUMBER": calls.customer_number(letter),
        "TYPE": kind,
        "EXTERNAL_CALL_ID": letter.id,
        "CALL_START_DATE": calls.began_at(letter),
        "CRM_CREATE": 1 if option(letter, "crm_create", False) else 0,
        "SHOW": 0,
    }
    if line := option(letter, "line"):
        call["LINE_NUMBER"] = line
    return call


def _end(letter: Letter, call_id: object) -> dict[str, object]:
    return {
        "CALL_ID": call_id,
        **_whose(letter),
        "DURATION": calls.seconds(letter, "talk_s"),
        "STATUS_CODE": mapped(letter, _STATUS),
        "FAILED_REASON": "" if letter.data["result"] == "connected" else letter.data.get("raw_result") or "",
        "ADD_TO_CHAT": 0,
    }


def _call_id(answer: Answer) -> str | None:
    result = document(answer).get("result")
    call_id = result.get("CALL_ID") if isinstance(result, dict) else None
    return str(call_id) if call_id else None
