"""Facts: what hooks and the scheduler's API have said, normalised. They are never changed.

A fact is *about* a task, known by our `ref`, by the vendor's `task_id`, or by both. Its `id` decides
whether it is new: each delivery is a fact of its own, while an observation that repeats an earlier one
word for word has the same id and is not recorded again.
All times are epoch seconds, UTC.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields
from json.encoder import encode_basestring
from math import isfinite
from operator import attrgetter
from typing import Any, Literal, get_args

import orjson

from receiver.domain.frozen_record import shape

Event = Literal["before", "before_again", "success", "after"]
EVENTS: tuple[Event, ...] = get_args(Event)


@shape(frozen=True, slots=True)
class HookContent:
    """What a delivery says. `readable` is false where the hook was authentic but its content could not be
    read.

    `task_id`, `queue_id`, the numbers, `attempt` and `planned_at` are what the payload claims: hints, until
    the API proves them.
    """

    event: Event
    call: str | None = None
    task_id: str | None = None
    queue_id: str | None = None
    result: str | None = None
    comment: str | None = None
    sent_at: float | None = None
    readable: bool = True
    a_number: str | None = None
    b_number: str | None = None
    attempt: int | None = None
    planned_at: float | None = None


@shape(frozen=True, slots=True)
class HookSaid(HookContent):
    """An event, as its delivery was read when it came."""


@shape(frozen=True, slots=True)
class RereadSaid(HookContent):
    """An event whose delivery was read again at `read_at`: it supersedes all earlier readings of the delivery
    (see `receiver.domain.readings`).
    """

    read_at: float = 0.0


@shape(frozen=True, slots=True)
class WithdrawnSaid:
    """A delivery that was read again at `read_at` is no longer about this task: earlier readings said so."""

    event: Event
    read_at: float = 0.0


@shape(frozen=True, slots=True)
class TaskSaid:
    """An observation: the scheduler's record of a task. `hooks`: the events whose URL leads to us; `mute`:
    True where the record has no URLs at all, so that they are not known.
    """

    status: str
    queue_id: str | None = None
    name: str | None = None
    finish_result: str | None = None
    finish_comment: str | None = None
    cdr: str | None = None
    try_count: int | None = None
    pause: float | None = None
    start_at: float | None = None
    created_at: float | None = None
    a_number: str | None = None
    b_number: str | None = None
    extension_id: str | None = None
    hooks: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    mute: bool | None = None


@shape(frozen=True, slots=True)
class CallSaid:
    """An observation: call history's record of one call; `found` is false where it has none to give."""

    call: str
    found: bool = True
    result: str | None = None
    hangup_cause: str | None = None
    hangup_disposition: str | None = None
    init_at: float | None = None
    bridged_at: float | None = None
    hangup_at: float | None = None
    duration: float | None = None
    bridged_duration: float | None = None
    legs: tuple[Mapping[str, Any], ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@shape(frozen=True, slots=True)
class GoneSaid:
    """An observation: the scheduler answers 404 for this task."""


@shape(frozen=True, slots=True)
class SettledSaid:
    """An observation: the time for late hooks is over; what has not come by now is lost. `unplaced`: events
    of which there were deliveries that could be this task's but name no task; a missing hook of one of these
    events may be among them, so that its loss is only suspected.
    """

    unplaced: tuple[str, ...] = ()


@shape(frozen=True, slots=True)
class QueueSaid:
    """An observation of a queue, not of a task. `status`: on, off, or gone after a 404."""

    queue_id: str
    status: str
    name: str | None = None
    comment: str | None = None
    concurrent_task_limit: int | None = None
    created_at: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


Said = HookSaid | RereadSaid | WithdrawnSaid | TaskSaid | CallSaid | GoneSaid | SettledSaid | QueueSaid

KINDS: dict[str, type[Said]] = {
    "hook": HookSaid,
    "reread": RereadSaid,
    "withdrawn": WithdrawnSaid,
    "task": TaskSaid,
    "call": CallSaid,
    "gone": GoneSaid,
    "settled": SettledSaid,
    "queue": QueueSaid,
}
_KIND_OF = {shape: kind for kind, shape in KINDS.items()}


@shape(frozen=True, slots=True)
class Fact:
    """One thing learnt at `at` about the task that `ref` or `task_id` name, or about a queue."""

    id: str
    account: str
    at: float
    said: Said
    ref: str | None = None
    task_id: str | None = None

    @property
    def kind(self) -> str:
        return _KIND_OF[type(self.said)]


ARRIVAL = attrgetter("at", "id")
"""Sorts facts as they came."""


_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
_decode = json.JSONDecoder().raw_decode
_WRITERS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    float: lambda value: repr(value) if isfinite(value) else _encode(value),
}
"""How values are written that need no encoder: most of what is said."""

_NAMES = {
    said: [(name, f'"{name}": ') for name in sorted(each.name for each in fields(said))] for said in _KIND_OF
}
"""The names of each shape's fields, in order, and how they are written."""

_NOTHING: tuple[Any, ...] = ((), {})

_BLANK: dict[str, dict[str, Any]] = {
    kind: {
        each.name: each.default if each.default_factory is MISSING else each.default_factory()
        for each in fields(said)
    }
    for kind, said in KINDS.items()
}
"""The fields of each kind in the order of its parameters: keywords out of JSON are slow to match."""


def pack(said: Said) -> str:
    """What was said, as JSON with sorted keys and without the fields that say nothing."""
    parts = []
    for name, key in _NAMES[type(said)]:
        value = getattr(said, name)
        if value is None:
            continue
        if type(value) is str:
            parts.append(key + encode_basestring(value))
        elif value is True:
            parts.append(key + "true")
        elif value or value not in _NOTHING:
            parts.append(key + _WRITERS.get(type(value), _encode)(value))
    return "{" + ", ".join(parts) + "}"


def unpack(kind: str, text: str) -> Said:
    """The inverse of `pack`."""
    values = _read_event(text) if kind == "hook" else _read_observation(text)
    return KINDS[kind](*(_BLANK[kind] | values).values())


def _read_event(text: str) -> Any:
    """An event holds neither long whole numbers nor objects, of which orjson would read some otherwise."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _decode(text)[0]  # it knows Infinity


def _read_observation(text: str) -> Any:
    values = _decode(text)[0]
    for name in ("hooks", "legs", "unplaced"):
        if name in values:
            values[name] = tuple(values[name])
    return values


def id_time(at: float) -> str:
    """How the ids of deliveries of this moment begin: they sort by it, so an age is also a bound of ids."""
    return f"{int(at * 1000):012x}"


def hook_fact(
    account: str, delivery_id: str, at: float, said: HookSaid, about: tuple[str | None, str | None]
) -> Fact:
    """The event of one inbound delivery; `about` is (ref, task_id). Of several events in one delivery the
    second has `.1` behind the delivery's id, and so on.
    """
    return Fact(f"{account}/hook/{delivery_id}", account, at, said, *about)


def observation(account: str, at: float, said: Said, about: tuple[str | None, str | None]) -> Fact:
    """What the API said; the same words about the same task are one fact, whenever they were heard."""
    subject = f"#{about[1]}" if about[1] else about[0]
    digest = hashlib.sha256(pack(said).encode()).hexdigest()[:24]
    return Fact(f"{account}/{_KIND_OF[type(said)]}/{subject}/{digest}", account, at, said, *about)


def queue_fact(account: str, at: float, said: QueueSaid) -> Fact:
    """What the API said of a queue. A queue may return to an earlier shape, so the time is part of the id."""
    return Fact(f"{account}/queue/{said.queue_id}/{at!r}", account, at, said)
