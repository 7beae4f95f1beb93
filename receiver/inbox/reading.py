"""Reads raw hooks: their facts, and what is wrong with them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

import orjson

from receiver.domain.facts import Event, Fact, HookEvent, hook_fact
from receiver.domain.fields import FieldReader, HookFields
from receiver.domain.hook_values import storable
from receiver.inbox.bodies import decode
from receiver.inbox.event_lists import NamedEvent, several_events
from receiver.inbox.inbox import RawHook, StoredBatch, decode_batch, encode_batch
from receiver.inbox.payload import read_payload
from receiver.inbox.unplaced import NAMES_NO_TASK
from receiver.ledger.append import Arrival, Delivery
from receiver.ledger.problems import TOO_LARGE, where_from

_LONGEST_PROBLEM = 500
"""Maximum characters of a delivery's problem, which is indexed."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A hook that could not be read because of an error of the receiver, or a batch that cannot be decoded.
    `hook`: None for a batch.
    """

    id: str
    at: float
    count: int
    document: bytes
    problem: str
    hook: RawHook | None = None


@dataclass(slots=True)
class HookReadings:
    """The result of reading batches. `hooks`: raw, one for each of `arrivals`."""

    hooks: list[RawHook] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)


def read_batches(batches: Iterable[StoredBatch], fields: FieldReader) -> HookReadings:
    """Read all hooks of these batches. Never raises: a failure concerns its hook only."""
    reading = HookReadings()
    for batch in batches:
        try:
            hooks = decode_batch(batch.document)
        except Exception as error:
            name = f"batch-{batch.number}"
            reading.unread.append(Unread(name, batch.at, batch.size, batch.document, where_from(error)))
            continue
        for hook in hooks:
            try:
                arrival = read_hook(hook, fields)
            except Exception as error:
                reading.unread.append(unread(hook, where_from(error)))
            else:
                reading.hooks.append(hook)
                reading.arrivals.append(arrival)
    return reading


def unread(hook: RawHook, problem: str) -> Unread:
    """Return a hook that is to be set aside because of this problem."""
    return Unread(hook.id, hook.received_at, 1, encode_batch([hook]), problem, hook)


def read_hook(hook: RawHook, fields: FieldReader) -> Arrival:
    """Return the hook as a delivery with its problem, and its facts; none if it names no task."""
    query = storable(decode(hook.query)) if hook.query else ""
    headers, content_type, encoding = _read_headers(hook.headers)
    payload = read_payload(query, content_type, hook.body, encoding)
    problem = TOO_LARGE if hook.is_cut else payload.problem
    more: tuple[Fact, ...] = ()
    if payload.events and (events := several_events(payload.events, payload.common, fields)):
        fact, more, problem = _read_several(hook, events, fields.read(payload.common), problem)
    else:
        found = fields.read(payload.pairs)
        if found.problem:
            problem = f"{problem}; {found.problem}" if problem else found.problem
        if hook.ref is None and found.task_id is None:
            fact, problem = None, problem or NAMES_NO_TASK
        else:
            fact = _fact(hook, hook.id, cast(Event, hook.event), found, problem is None)
    delivery = Delivery(
        hook.id,
        hook.account,
        hook.event,
        hook.ref,
        hook.received_at,
        hook.method,
        query,
        headers,
        hook.body,
        hook.peer,
        problem,
    )
    return Arrival(delivery, fact, more)


def _fact(hook: RawHook, name: str, event: Event, found: HookFields, is_readable: bool) -> Fact:
    """Return the event as a fact. `name`: the delivery's id, with a number if it is not its first event."""
    payload = HookEvent(
        event,
        found.call,
        found.task_id,
        found.queue_id,
        found.result,
        found.comment,
        found.sent_at,
        is_readable,
        found.a_number,
        found.b_number,
        found.attempt,
        found.planned_at,
    )
    # A minted URL names the task: the "id" of a payload could be anything.
    about = (hook.ref, None if hook.ref else found.task_id)
    return hook_fact(hook.account, name, hook.received_at, payload, about)


def _read_several(
    hook: RawHook, events: Sequence[NamedEvent], common: HookFields, problem: str | None
) -> tuple[Fact | None, tuple[Fact, ...], str | None]:
    """Return the first fact of a request with several events, the others, and the delivery's problem."""
    problems = dict.fromkeys(filter(None, (problem, *(found.problem for _, found in events))))
    if hook.ref and len({found.task_id for _, found in events if found.task_id}) > 1:
        # It is unknown which of the tasks the URL is of, and the URL authenticates no other.
        problems["several tasks in a request to the URL of one"] = None
        return _fact(hook, hook.id, cast(Event, hook.event), common, False), (), "; ".join(problems)
    homed = [(event, found) for event, found in events if hook.ref or found.task_id]
    if len(homed) < len(events):
        problems[f"{len(events) - len(homed)} of {len(events)} events name no task"] = None
    facts = [
        _fact(
            hook,
            f"{hook.id}.{number}" if number else hook.id,
            event or cast(Event, hook.event),
            found,
            problem is None and found.problem is None,
        )
        for number, (event, found) in enumerate(homed)
    ]
    return facts[0] if facts else None, tuple(facts[1:]), "; ".join(problems)[:_LONGEST_PROBLEM] or None


@lru_cache(maxsize=256)
def _read_headers(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[str, str, str]:
    """Return the headers as JSON, Content-Type and Content-Encoding. Cached: senders repeat their headers."""
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    named = dict(pairs)
    encoding = named.get("content-encoding", "")
    return orjson.dumps(pairs).decode(), named.get("content-type", ""), encoding
