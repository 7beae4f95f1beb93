"""From a payload's names and values, in whatever spelling, to what an event says."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from receiver.domain.hook_values import (
    fault_of_id,
    placeholder_in,
    read_comment,
    read_count,
    read_id,
    read_phone,
    read_word,
)
from receiver.domain.moments import read_moment

DEFAULT_ALIASES: dict[str, tuple[str, ...]] = {
    "task_id": ("task_id", "TaskID", "id"),
    "queue_id": ("scheduler_id", "queue_id"),
    "call": ("cdr", "call_uuid", "call_id", "CallID", "CallAPIID", "CallBackID"),
    "result": ("finish_result", "result", "CallStatus"),
    "comment": ("finish_comment", "hangup_cause"),
    "sent_at": ("EventTime", "timestamp", "time"),
    "a_number": ("a_number", "number_a", "phone_a"),
    "b_number": ("b_number", "number_b", "phone_b"),
    "attempt": ("try_number", "try_no", "attempt_number", "attempt_no"),
    "planned_at": ("start_time_utc", "start_time", "planned_at", "scheduled_at"),
}
"""Our field → the names it may come under, best first; the settings may replace any of them."""

_READERS: dict[str, Callable[[str], str | float | None]] = {
    "task_id": read_id,
    "queue_id": read_id,
    "call": read_id,
    "result": read_word,
    "comment": read_comment,
    "sent_at": read_moment,
    "a_number": read_phone,
    "b_number": read_phone,
    "attempt": read_count,
    "planned_at": read_moment,
}
"""Our field → what makes a value of a text; of one that means nothing, or is at fault, it makes none."""

_BOUNDED = ("task_id", "queue_id", "call", "a_number", "b_number")
"""Fields whose values may be at fault: an index or a CRM could not take them."""

_RESULTS = {
    "success": "success",
    "bridged": "success",
    "failed": "failed",
    "busy": "failed",
    "noanswer": "failed",
    "notanswered": "failed",
    "cancel": "failed",
    "congestion": "failed",
    "chanunavail": "failed",
    "rejected": "failed",
}
_GAPS = re.compile(r"[\s_-]")


class HookFields(msgspec.Struct, frozen=True, gc=False):
    """What could be read of a payload. `problem`: which fields are at fault, and why."""

    task_id: str | None = None
    queue_id: str | None = None
    call: str | None = None
    result: str | None = None
    comment: str | None = None
    sent_at: float | None = None
    a_number: str | None = None
    b_number: str | None = None
    attempt: int | None = None
    planned_at: float | None = None
    problem: str | None = None


class ReadField(NamedTuple):
    """What is made of one name of a payload that is an alias. `value`: None where the text means nothing, or
    is at fault.
    """

    name: str
    field: str
    text: str
    value: str | float | None
    fault: str | None


_SPELLINGS = 1000
_LONGEST_NAME = 200
_NO_ALIAS = 1_000_000
"""A rank worse than that of every alias."""

_ESCAPED_AND = re.compile(r"^(?:amp;|#38;|#x26;)+", re.IGNORECASE)
"""What stands before a name where `&` was escaped for HTML."""

_STEPS = re.compile(r"[^\[\].]+")
"""The parts of a nested name, such as `task[id]`, `task.id` or `task_id[]`."""

_FIELDS = tuple(DEFAULT_ALIASES)


def fold_name(name: str) -> str:
    """Names match without regard to case, `_` and `-`."""
    return name.replace("_", "").replace("-", "").lower()


class FieldReader:
    """Reads payloads by one table of aliases: our field → the names it may come under, best first."""

    def __init__(self, aliases: Mapping[str, tuple[str, ...]] = DEFAULT_ALIASES) -> None:
        self._places: dict[str, list[tuple[int, int]]] = {}
        for field, ours in enumerate(_FIELDS):
            # Odd ranks are of nested names, which are worse than the same name at the root.
            for rank, name in enumerate(dict.fromkeys(map(fold_name, aliases.get(ours, ())))):
                self._places.setdefault(name, []).append((field, 2 * rank))
        # A sender spells a name the same way each time: then it need not be folded again.
        self._spelled: dict[str, Sequence[tuple[int, int]]] = {}

    def read(self, payload: Iterable[tuple[str, str]]) -> HookFields:
        """The first value that means something under the best alias of each field."""
        values: list[Any] = [None] * (len(_FIELDS) + 1)
        ranks = [_NO_ALIAS] * len(_FIELDS)
        spelled, readers, faults = self._spelled, _READ, None
        for name, value in payload:
            for field, rank in spelled[name] if name in spelled else self._learn(name):
                if rank < ranks[field] and (said := value.strip()):
                    if read := readers[field](said):
                        values[field], ranks[field] = read, rank
                    elif fault := _fault(_FIELDS[field], said):
                        faults = {**(faults or {}), _FIELDS[field]: fault}
        if faults:
            values[-1] = _problem(faults)
        return HookFields(*values)

    def explain(self, payload: Iterable[tuple[str, str]]) -> Iterator[ReadField]:
        """What is made of each name that is an alias and comes with a value."""
        for name, value in payload:
            for place, _ in self._learn(name):
                if said := value.strip():
                    field = _FIELDS[place]
                    yield ReadField(name, field, said, _READ[place](said) or None, _fault(field, said))

    def fields_of(self, name: str) -> list[str]:
        """Our fields that a name may stand for."""
        return [_FIELDS[field] for field, _ in self._learn(name)]

    def _learn(self, name: str) -> Sequence[tuple[int, int]]:
        """The fields that a name may stand for, and how good it is for each; kept for so many names."""
        if len(name) > _LONGEST_NAME:
            return ()
        places = self._find(_ESCAPED_AND.sub("", name) if name[:1] in "aA#" else name)
        if len(self._spelled) < _SPELLINGS:
            self._spelled[name] = places
        return places

    def _find(self, name: str) -> Sequence[tuple[int, int]]:
        """A nested name counts as a whole, then as its last two parts joined, and then as its last part: the
        `id` of a `task` is better than any other, and that of a `call` is no task's.
        """
        if found := self._places.get(fold_name(name)):
            return found
        steps = [step for step in _STEPS.findall(name) if not step.isdecimal()]
        if len(steps) > 1 and (found := self._places.get(fold_name("".join(steps[-2:])))):
            return found
        found = self._places.get(fold_name(steps[-1]), []) if steps else []
        return [(field, rank + 1) for field, rank in found] if len(steps) > 1 else found


_READ = tuple(_READERS[field] for field in _FIELDS)


def _fault(field: str, said: str) -> str | None:
    return fault_of_id(said) if field in _BOUNDED and placeholder_in(said) is None else None


def _problem(faults: Mapping[str, str]) -> str:
    return "; ".join(f"{field} {fault}" for field, fault in faults.items())


@lru_cache(maxsize=256)
def call_key(uuid: str | None) -> str | None:
    """A call's uuid as it is compared: lower case, no dashes; nothing for an empty one."""
    # Cached, since most facts of one task name the same call.
    return uuid.replace("-", "").strip().lower() or None if uuid else None


def result_of(word: str | None) -> str | None:
    """`success`, `failed`, or None for a word that does not settle it (`ANSWER` may mean leg A only)."""
    return _RESULTS.get(word) or _RESULTS.get(_GAPS.sub("", word).lower()) if word else None
