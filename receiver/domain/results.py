"""How a call ended, in the words that CRMs share, and what that is concluded from."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from receiver.domain.facts import CallSaid
from receiver.domain.numbers import same_number
from receiver.domain.shape import shape

CallResult = Literal[
    "connected",
    "no_answer",
    "busy",
    "rejected",
    "cancelled",
    "unavailable",
    "wrong_number",
    "failed",
    "unknown",
]
CALL_RESULTS: tuple[CallResult, ...] = get_args(CallResult)
FailedLeg = Literal["a", "b", "unknown"]

_WORDS: dict[str, CallResult] = {
    "bridged": "connected",
    "noanswer": "no_answer",
    "notanswered": "no_answer",
    "allottedtimeout": "no_answer",
    "nouserresponse": "no_answer",
    "нетответа": "no_answer",
    "неответил": "no_answer",
    "busy": "busy",
    "userbusy": "busy",
    "занято": "busy",
    "занят": "busy",
    "rejected": "rejected",
    "calleerefuse": "rejected",
    "callrejected": "rejected",
    "отклонен": "rejected",
    "отклонено": "rejected",
    "cancel": "cancelled",
    "callercancel": "cancelled",
    "originatorcancel": "cancelled",
    "отменен": "cancelled",
    "chanunavail": "unavailable",
    "congestion": "unavailable",
    "subscriberabsent": "unavailable",
    "usernotregistered": "unavailable",
    "недоступен": "unavailable",
    "unallocatednumber": "wrong_number",
    "invalidnumberformat": "wrong_number",
    "неверныйномер": "wrong_number",
}
"""The vendor's words, without case and without what is neither letter nor digit."""

_BETWEEN = re.compile(r"[\W_]+")
_ANSWERED = ("answered", "bridged", "answer")


@shape(frozen=True, slots=True)
class Verdict:
    """`raw`: the vendor's word that decided it, if one did; `failed_leg`: None where no leg failed."""

    result: CallResult
    raw: str | None
    failed_leg: FailedLeg | None


def judge(
    finish_result: str | None, word: str | None, call: CallSaid | None, a_number: str | None
) -> Verdict:
    """What one task came to. `word`: what it or its hooks say in free text; `call`: its last call.

    The leg is that of the call's record: without one it is unknown, not B.
    """
    if finish_result == "success":
        return Verdict("connected", word or finish_result, None)
    if finish_result is None and not (word and read_result(word)):
        return Verdict("unknown", word, "unknown")
    leg, failed_leg = _failed(call, a_number)
    raw = _first_telling([*_words_of_leg(leg), *_words_of_call(call), word])
    if raw is None:
        return Verdict("failed", word or finish_result, failed_leg)
    result = read_result(raw) or "failed"
    # A record of a bridged call cannot make a success of a task that failed.
    return Verdict("failed" if result == "connected" else result, raw, failed_leg)


def read_result(word: str) -> CallResult | None:
    """What a word of the vendor's means; None for one that does not tell."""
    return _WORDS.get(_BETWEEN.sub("", word).casefold().replace("ё", "е"))


def _first_telling(words: Iterable[str | None]) -> str | None:
    return next((word for word in words if word and read_result(word)), None)


def _failed(call: CallSaid | None, a_number: str | None) -> tuple[Mapping[str, Any] | None, FailedLeg]:
    """The leg that was not answered, as call history has it, and which that is."""
    legs = call.legs if call else ()
    if not legs:
        return None, "unknown"
    is_a = [same_number(str(leg.get("dest_number") or ""), a_number) for leg in legs]
    for leg, mine in zip(legs, is_a, strict=True):
        if str(leg.get("result") or "").casefold() not in _ANSWERED:
            if mine or (not any(is_a) and leg is legs[0]):
                return leg, "a"
            return leg, "b"
    return None, "unknown"


def _words_of_leg(leg: Mapping[str, Any] | None) -> list[str | None]:
    """The cause first: it tells a wrong number from one that merely failed."""
    return [str(leg.get(name) or "") for name in ("hangup_cause", "result")] if leg else []


def _words_of_call(call: CallSaid | None) -> list[str | None]:
    return [call.hangup_cause, call.result, call.hangup_disposition] if call else []
