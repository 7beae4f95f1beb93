"""Facts: hooks and answers of the scheduler's API, normalized. They are never changed, except that a
purge takes a phone number out.

A fact is *about* a task, known by our `ref`, the vendor's `task_id`, or both. A fact is new if its `id` is
new. Each delivery has an id of its own; equal observations share one and are recorded once. Times are epoch
seconds, UTC.
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

from receiver.domain.frozen_record import frozen_record

Event = Literal["before", "before_again", "success", "after"]
EVENTS: tuple[Event, ...] = get_args(Event)


@frozen_record
class HookContent:
    """The content of a delivery. `readable`: False if the hook was authentic but could not be read.

    `task_id`, `queue_id`, the numbers, `attempt` and `planned_at` are claims of the sender until the API
    proves them.
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


@frozen_record
class HookEvent(HookContent):
    """An event, as its delivery was read on arrival."""


@frozen_record
class RereadEvent(HookContent):
    """An event whose delivery was read again at `read_at`. It supersedes all earlier readings of the delivery
    (see `receiver.domain.readings`).
    """

    read_at: float = 0.0


@frozen_record
class WithdrawnEvent:
    """A delivery that turned out not to be about this task when it was read again at `read_at`."""

    event: Event
    read_at: float = 0.0


@frozen_record
class TaskSnapshot:
    """The scheduler's record of a task. `hooks`: events whose URL leads to us. `mute`: True if the record has
    no URLs at all, so that they are not known.
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


@frozen_record
class CallRecord:
    """Call history's record of one call. `found`: False if it has no record."""

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


@frozen_record
class TaskGone:
    """The scheduler answers 404 for this task."""


@frozen_record
class TaskSettled:
    """The time for late hooks is over: a missing hook is lost. `unplaced`: events with deliveries that name
    no task. These may belong to this task, so a loss of such an event is only suspected.
    """

    unplaced: tuple[str, ...] = ()


@frozen_record
class QueueSnapshot:
    """The API's description of a queue. `status`: on, off, or gone after a 404."""

    queue_id: str
    status: str
    name: str | None = None
    comment: str | None = None
    concurrent_task_limit: int | None = None
    created_at: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


FactPayload = (
    HookEvent
    | RereadEvent
    | WithdrawnEvent
    | TaskSnapshot
    | CallRecord
    | TaskGone
    | TaskSettled
    | QueueSnapshot
)

KINDS: dict[str, type[FactPayload]] = {
    "hook": HookEvent,
    "reread": RereadEvent,
    "withdrawn": WithdrawnEvent,
    "task": TaskSnapshot,
    "call": CallRecord,
    "gone": TaskGone,
    "settled": TaskSettled,
    "queue": QueueSnapshot,
}
_KIND_OF = {shape: kind for kind, shape in KINDS.items()}


@frozen_record
class Fact:
    """One thing learned at `at` about the task that `ref` or `task_id` names, or about a queue."""

    id: str
    account: str
    at: float
    payload: FactPayload
    ref: str | None = None
    task_id: str | None = None

    @property
    def kind(self) -> str:
        return _KIND_OF[type(self.payload)]


ARRIVAL = attrgetter("at", "id")
"""Sort key of facts in order of arrival."""


_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
_decode = json.JSONDecoder().raw_decode
_WRITERS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    float: lambda value: repr(value) if isfinite(value) else _encode(value),
}
"""Writers of the types that need no JSON encoder, for speed."""

_NAMES = {
    payload: [(name, f'"{name}": ') for name in sorted(item.name for item in fields(payload))]
    for payload in _KIND_OF
}
"""Payload class → (field name, its JSON key) in order."""

_EMPTY: tuple[Any, ...] = ((), {})

_DEFAULTS: dict[str, dict[str, Any]] = {
    kind: {
        item.name: item.default if item.default_factory is MISSING else item.default_factory()
        for item in fields(payload)
    }
    for kind, payload in KINDS.items()
}
"""Kind → defaults of its fields in the order of the parameters, since keyword arguments are slow."""


def pack(payload: FactPayload) -> str:
    """Return a payload as JSON with sorted keys and without empty fields."""
    parts = []
    for name, key in _NAMES[type(payload)]:
        value = getattr(payload, name)
        if value is None:
            continue
        if type(value) is str:
            parts.append(key + encode_basestring(value))
        elif value is True:
            parts.append(key + "true")
        elif value or value not in _EMPTY:
            parts.append(key + _WRITERS.get(type(value), _encode)(value))
    return "{" + ", ".join(parts) + "}"


def unpack(kind: str, text: str) -> FactPayload:
    """Return the payload that `pack` has written."""
    values = _read_event(text) if kind == "hook" else _read_observation(text)
    return KINDS[kind](*(_DEFAULTS[kind] | values).values())


def _read_event(text: str) -> Any:
    """Read with orjson, which is fast. It differs for long integers and objects, but an event has none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _decode(text)[0]  # the standard decoder accepts Infinity


def _read_observation(text: str) -> Any:
    values = _decode(text)[0]
    for name in ("hooks", "legs", "unplaced"):
        if name in values:
            values[name] = tuple(values[name])
    return values


def id_time(at: float) -> str:
    """Return the prefix of delivery ids of a moment. Ids sort by time, so an age is a bound of ids."""
    return f"{int(at * 1000):012x}"


def hook_fact(
    account: str, delivery_id: str, at: float, payload: HookEvent, about: tuple[str | None, str | None]
) -> Fact:
    """Return the fact of one delivery. `about`: (ref, task_id). The second event of a delivery has the
    delivery's id with `.1`, and so on.
    """
    return Fact(f"{account}/hook/{delivery_id}", account, at, payload, *about)


def observation(account: str, at: float, payload: FactPayload, about: tuple[str | None, str | None]) -> Fact:
    """Return the fact of an observation. Equal payloads about the same task have the same id."""
    subject = f"#{about[1]}" if about[1] else about[0]
    digest = hashlib.sha256(pack(payload).encode()).hexdigest()[:24]
    return Fact(f"{account}/{_KIND_OF[type(payload)]}/{subject}/{digest}", account, at, payload, *about)


def queue_fact(account: str, at: float, payload: QueueSnapshot) -> Fact:
    """Return the fact of a queue. A queue may return to an earlier description, so the time is in the id."""
    return Fact(f"{account}/queue/{payload.queue_id}/{at!r}", account, at, payload)
