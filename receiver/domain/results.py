"""How a call ended, in the words that CRMs share, and what that is concluded from."""

import re
from collections.abc import Iterable, Mapping, Sequence
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
"""Result → regular expressions, searched in the vendor's word: lower case, `е` for `ё`, one space for
whatever is neither letter nor digit. The first that is found counts, in this order.
"""

_BETWEEN = re.compile(r"[\W_]+")
_ANSWERED = ("answered", "bridged", "answer")


@frozen_record
class Verdict:
    """`raw`: the vendor's word that decided it, if one did; `failed_leg`: None where no leg failed."""

    result: CallResult
    raw: str | None
    failed_leg: FailedLeg | None


class Reasons:
    """What the vendor's words mean. `own`: like PATTERNS, which come after them; upper or lower case, `ё` or
    `е` are the same. `region`: the country of numbers that are written without its code. Raises re.error.
    """

    def __init__(self, own: Mapping[CallResult, Sequence[str]] | None = None, region: str = REGION) -> None:
        self.region = region
        both = [*(own or {}).items(), *PATTERNS.items()]
        # One by one: joined, one's flags and groups would be the others' too.
        self._patterns = [(_compiled(each), result) for result, some in both for each in some]
        self.read = lru_cache(maxsize=4096)(self._read)

    def _read(self, word: str) -> CallResult | None:
        """What a word means; None for one that does not tell."""
        plain = _BETWEEN.sub(" ", _with_e(word.casefold())).strip()
        return next((result for pattern, result in self._patterns if pattern.search(plain)), None)


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(_with_e(pattern), re.IGNORECASE)


def _with_e(text: str) -> str:
    return text.replace("ё", "е").replace("Ё", "Е")


BUILT_IN = Reasons()


@frozen_record
class Legs:
    """Which sides of a call answered, as far as its record tells; `b` is None where B was not dialled.
    `failed`: the leg of a side that did not.
    """

    a: bool | None
    b: bool | None
    failed: Mapping[str, Any] | None = None


_NO_LEGS = Legs(None, None)


def judge(
    finish_result: str | None,
    word: str | None,
    call: CallRecord | None,
    a_number: str | None,
    reasons: Reasons = BUILT_IN,
) -> Verdict:
    """What one task, or one attempt, came to. `word`: what it or its hooks say in free text; `call`: its last
    call.

    The leg is that of the call's record: without one it is unknown, not B.
    """
    if finish_result == "success":
        return Verdict("connected", word or finish_result, None)
    if finish_result is None and not (word and reasons.read(word)):
        return Verdict("unknown", word, "unknown")
    legs = legs_of(call, a_number, reasons.region)
    failed_leg: FailedLeg = "a" if legs.a is False else "b" if legs.b is False else "unknown"
    words = [*_words_of_leg(legs.failed), *_words_of_call(call), word]
    raw = next((word for word in words if word and reasons.read(word)), None)
    if raw is None:
        # `failed` alone is no reason, though a hook may say no more.
        said = word if word != finish_result else None
        return Verdict("failed", said or _first(words) or finish_result, failed_leg)
    result = reasons.read(raw) or "failed"
    # A record of a bridged call cannot make a success of a task that failed.
    return Verdict("failed" if result == "connected" else result, raw, failed_leg)


def legs_of(call: CallRecord | None, a_number: str | None, region: str = REGION) -> Legs:
    """Which legs of a call were answered."""
    if call is None or not call.found:
        return _NO_LEGS
    if is_bridged(call):
        return Legs(True, True)
    is_a = [same_number(str(leg.get("dest_number") or ""), a_number, region) for leg in call.legs]
    answers: dict[str, bool] = {}
    failed: dict[str, Mapping[str, Any]] = {}
    for place, (leg, mine) in enumerate(zip(call.legs, is_a, strict=True)):
        side = "a" if mine or (not any(is_a) and place == 0) else "b"
        answered = str(leg.get("result") or "").casefold() in _ANSWERED
        # One side may be called at several numbers, or several times.
        answers[side] = answers.get(side, False) or answered
        if not answered:
            failed.setdefault(side, leg)
    a, b = answers.get("a"), answers.get("b")
    return Legs(a, b, failed["a"] if a is False else failed["b"] if b is False else None)


def is_bridged(call: CallRecord) -> bool:
    """Whether the two were connected, by the call's record."""
    return call.bridged_at is not None or (call.result or "").casefold() == "bridged"


def _first(words: Iterable[str | None]) -> str | None:
    return next(filter(None, words), None)


def _words_of_leg(leg: Mapping[str, Any] | None) -> list[str | None]:
    """The cause first: it tells a wrong number from one that merely failed."""
    return [str(leg.get(name) or "") for name in ("hangup_cause", "result")] if leg else []


def _words_of_call(call: CallRecord | None) -> list[str | None]:
    return [call.hangup_cause, call.result, call.hangup_disposition] if call else []
