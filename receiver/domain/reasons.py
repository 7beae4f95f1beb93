"""Reasons: how a call ended, concluded from the vendor's words."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, get_args

from receiver.domain.facts import CallRecord
from receiver.domain.frozen_record import frozen_record
from receiver.domain.numbers import REGION, same_number

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
Side = Literal["a", "b"]

PATTERNS: dict[CallResult, tuple[str, ...]] = {
    "connected": (r"\bbridged\b",),
    "wrong_number": (
        r"\bunallocated ?number",
        r"\b(invalid|wrong) ?number",
        r"\bневерн\w* номер",
        r"\bномер не (существует|обслуживается)",
    ),
    "unavailable": (
        r"\bchanunavail",
        r"\bcongestion",
        r"\bsubscriber ?absent",
        r"\b(user ?)?not ?registered",
        r"\bunavailable\b",
        r"\bнедоступ",
        r"\bвне (зоны|сети)",
    ),
    "busy": (r"\b(user ?)?busy\b", r"\bзанят"),
    "rejected": (r"\b(call ?)?reject", r"\bcallee ?refuse", r"\bdeclined\b", r"\bотклон", r"\bсброс"),
    "cancelled": (r"^cancel", r"\b(caller|originator) ?cancel", r"\bcall cancel", r"\bотмен"),
    "no_answer": (
        r"\bno ?answer",
        r"\bnot ?answered\b",
        r"\ballotted ?timeout",
        r"\bno ?user ?response",
        r"\b(нет|без) ?ответа",
        r"\bне ?(ответил|отвеча|взял|берет)",
    ),
}
"""Result → regular expressions, searched in the vendor's text in this order; the first match counts.

The text is in lower case, with `е` for `ё` and one space for other characters than letters and digits.
"""

_BETWEEN = re.compile(r"[\W_]+")
_ANSWERED = ("answered", "bridged", "answer")


@frozen_record
class Verdict:
    """The result of a task or an attempt. `raw`: the vendor's text with the reason. `failed_leg`: None if no
    leg failed.
    """

    result: CallResult
    raw: str | None
    failed_leg: FailedLeg | None


class Reasons:
    """Reads results from the vendor's texts. `own`: patterns that come before PATTERNS; case and `ё` do not
    matter. `region`: the country of numbers without a country code. Raises re.error.
    """

    def __init__(self, own: Mapping[CallResult, Sequence[str]] | None = None, region: str = REGION) -> None:
        self.region = region
        # Not joined to one expression, since flags and groups of one pattern would affect the others.
        self._patterns = [
            (re.compile(_with_e(pattern), re.IGNORECASE), result)
            for result, patterns in [*(own or {}).items(), *PATTERNS.items()]
            for pattern in patterns
        ]
        self.read = lru_cache(maxsize=4096)(self._read)

    def _read(self, text: str) -> CallResult | None:
        """Return the result in a text; None if it has none."""
        plain = _BETWEEN.sub(" ", _with_e(text.casefold())).strip()
        return next((result for pattern, result in self._patterns if pattern.search(plain)), None)


def _with_e(text: str) -> str:
    return text.replace("ё", "е").replace("Ё", "Е")


BUILT_IN = Reasons()


@frozen_record
class Legs:
    """Whether A and B answered, by the call's record; None if not known or not dialed. `failed`: the leg of
    the side that did not answer.
    """

    a: bool | None
    b: bool | None
    failed: Mapping[str, Any] | None = None


_NO_LEGS = Legs(None, None)


def judge(
    finish_result: str | None,
    comment: str | None,
    call: CallRecord | None,
    a_number: str | None,
    reasons: Reasons = BUILT_IN,
) -> Verdict:
    """Return the result of a task or an attempt. `comment`: free text of its record or its hooks. `call`: its
    last call. Without the call's record the failed leg is unknown.
    """
    if finish_result == "success":
        return Verdict("connected", comment or finish_result, None)
    if finish_result is None and not (comment and reasons.read(comment)):
        return Verdict("unknown", comment, "unknown")
    legs = legs_of(call, a_number, reasons.region)
    failed_leg: FailedLeg = "a" if legs.a is False else "b" if legs.b is False else "unknown"
    texts = [text for text in _texts(legs.failed, call, comment) if text]
    for text in texts:
        if result := reasons.read(text):
            # The record of a bridged call does not turn a failed task into a success.
            return Verdict("failed" if result == "connected" else result, text, failed_leg)
    # `failed` alone is no reason.
    reason = comment if comment != finish_result else None
    return Verdict("failed", reason or next(iter(texts), finish_result), failed_leg)


def _texts(leg: Mapping[str, Any] | None, call: CallRecord | None, comment: str | None) -> list[str | None]:
    """Return texts that may have a reason, best first. A cause is more precise than a result."""
    texts = [str(leg.get(name) or "") for name in ("hangup_cause", "result")] if leg else []
    if call:
        return [*texts, call.hangup_cause, call.result, call.hangup_disposition, comment]
    return [*texts, comment]


def legs_of(call: CallRecord | None, a_number: str | None, region: str = REGION) -> Legs:
    """Return the legs of a call."""
    if call is None or not call.found:
        return _NO_LEGS
    if is_bridged(call):
        return Legs(True, True)
    answers: dict[str, bool] = {}
    failed: dict[str, Mapping[str, Any]] = {}
    for leg, side in zip(call.legs, sides_of(call, a_number, region), strict=True):
        answered = has_answered(leg)
        # A side may be called several times, also at several numbers.
        answers[side] = answers.get(side, False) or answered
        if not answered:
            failed.setdefault(side, leg)
    a, b = answers.get("a"), answers.get("b")
    return Legs(a, b, failed["a"] if a is False else failed["b"] if b is False else None)


def sides_of(call: CallRecord, a_number: str | None, region: str = REGION) -> list[Side]:
    """Return the side that each leg of a call dialed. The first leg is A if no leg has A's number."""
    is_a = [same_number(str(leg.get("dest_number") or ""), a_number, region) for leg in call.legs]
    if is_a and not any(is_a):
        is_a[0] = True
    return ["a" if is_leg_a else "b" for is_leg_a in is_a]


def has_answered(leg: Mapping[str, Any]) -> bool:
    """Return whether the side of a leg answered."""
    return str(leg.get("result") or "").casefold() in _ANSWERED


def is_bridged(call: CallRecord) -> bool:
    """Return whether A and B were connected, by the call's record."""
    return call.bridged_at is not None or (call.result or "").casefold() == "bridged"
