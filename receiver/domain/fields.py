"""Read the fields of an event from the names and values of a payload, in any spelling."""

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
"""Our field → its names in payloads, best first. The settings may replace any of them."""

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
"""Our field → reader of its text; the value is empty if the text has no meaning or has a fault."""

_BOUNDED = ("task_id", "queue_id", "call", "a_number", "b_number")
"""Fields whose values are checked for faults, which an index or a CRM does not take."""

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
    """The fields that were read from a payload. `problem`: fields with a fault, and why."""

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
    """The reading of one name that is an alias. `value`: None if the text has no meaning or has a fault."""

    name: str
    field: str
    text: str
    value: str | float | None
    fault: str | None


_MAX_SPELLINGS = 1000
_LONGEST_NAME = 200
_NO_ALIAS = 1_000_000
"""A rank worse than the rank of any alias."""

_ESCAPED_AND = re.compile(r"^(?:amp;|#38;|#x26;)+", re.IGNORECASE)
"""Prefix of a name if `&` was escaped for HTML."""

_STEPS = re.compile(r"[^\[\].]+")
"""The parts of a nested name, such as `task[id]`, `task.id` or `task_id[]`."""

_FIELDS = tuple(DEFAULT_ALIASES)


def fold_name(name: str) -> str:
    """Return a name as it is compared: without case, `_` and `-`."""
    return name.replace("_", "").replace("-", "").lower()


class FieldReader:
    """Reads payloads by a table of aliases: our field → its names, best first."""

    def __init__(self, aliases: Mapping[str, tuple[str, ...]] = DEFAULT_ALIASES) -> None:
        self.aliases = aliases
        self._places: dict[str, list[tuple[int, int]]] = {}
        for field, ours in enumerate(_FIELDS):
            # Ranks are even. A nested name has the next odd rank, worse than the same name at the root.
            for rank, name in enumerate(dict.fromkeys(map(fold_name, aliases.get(ours, ())))):
                self._places.setdefault(name, []).append((field, 2 * rank))
        # Spelling → fields, since a sender always spells a name the same way.
        self._spellings: dict[str, Sequence[tuple[int, int]]] = {}

    def read(self, payload: Iterable[tuple[str, str]]) -> HookFields:
        """Return the first value with a meaning under the best alias of each field."""
        values: list[Any] = [None] * (len(_FIELDS) + 1)
        ranks = [_NO_ALIAS] * len(_FIELDS)
        spellings, readers, faults = self._spellings, _READ, None
        for name, value in payload:
            for field, rank in spellings[name] if name in spellings else self._learn(name):
                if rank < ranks[field] and (text := value.strip()):
                    if read := readers[field](text):
                        values[field], ranks[field] = read, rank
                    elif fault := _fault(_FIELDS[field], text):
                        faults = {**(faults or {}), _FIELDS[field]: fault}
        if faults:
            values[-1] = "; ".join(f"{field} {fault}" for field, fault in faults.items())
        return HookFields(*values)

    def explain(self, payload: Iterable[tuple[str, str]]) -> Iterator[ReadField]:
        """Yield the reading of each name that is an alias and has a value."""
        for name, value in payload:
            for field in self.fields_of(name):
                if text := value.strip():
                    yield ReadField(name, field, text, _READERS[field](text) or None, _fault(field, text))

    def fields_of(self, name: str) -> list[str]:
        """Return our fields for a name."""
        return [_FIELDS[field] for field, _ in self._learn(name)]

    def _learn(self, name: str) -> Sequence[tuple[int, int]]:
        """Return the fields and ranks of a name, and remember them for up to _MAX_SPELLINGS names."""
        if len(name) > _LONGEST_NAME:
            return ()
        places = self._find(_ESCAPED_AND.sub("", name) if name[:1] in "aA#" else name)
        if len(self._spellings) < _MAX_SPELLINGS:
            self._spellings[name] = places
        return places

    def _find(self, name: str) -> Sequence[tuple[int, int]]:
        """Find the fields of a name. A nested name is tried as a whole, as its last two parts joined, and as
        its last part, so that the `id` of a `task` wins over any other `id`.
        """
        if found := self._places.get(fold_name(name)):
            return found
        steps = [step for step in _STEPS.findall(name) if not step.isdecimal()]
        if len(steps) > 1 and (found := self._places.get(fold_name("".join(steps[-2:])))):
            return found
        found = self._places.get(fold_name(steps[-1]), []) if steps else []
        return [(field, rank + 1) for field, rank in found] if len(steps) > 1 else found


_READ = tuple(_READERS[field] for field in _FIELDS)


def _fault(field: str, text: str) -> str | None:
    return fault_of_id(text) if field in _BOUNDED and placeholder_in(text) is None else None


@lru_cache(maxsize=256)
def call_key(uuid: str | None) -> str | None:
    """Return a call's uuid as it is compared: in lower case, without dashes; None for an empty one."""
    # Cached, since most facts of one task name the same call.
    return uuid.replace("-", "").strip().lower() or None if uuid else None


def result_of(word: str | None) -> str | None:
    """Return `success`, `failed`, or None for an ambiguous word (`ANSWER` may mean leg A only)."""
    return _RESULTS.get(word) or _RESULTS.get(_GAPS.sub("", word).lower()) if word else None
