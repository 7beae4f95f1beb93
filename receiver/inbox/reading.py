"""Reading a raw hook: what it says, and what is wrong with it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

import orjson

from receiver.domain.facts import Event, HookSaid, hook_fact
from receiver.domain.fields import FieldReader, storable
from receiver.inbox.batch import RawHook, decode_batch, encode_batch
from receiver.inbox.inbox import Batch
from receiver.inbox.payload import decode, read_payload
from receiver.ledger.arrivals import Arrival, Delivery
from receiver.ledger.problems import TOO_LARGE, where_from
from receiver.store.unplaced import NAMES_NO_TASK


@dataclass(frozen=True, slots=True)
class Unread:
    """A hook that could not be read because of a fault of ours, or a batch that cannot be decoded. `hook`:
    None for the latter.
    """

    id: str
    at: float
    count: int
    document: bytes
    problem: str
    hook: RawHook | None = None


@dataclass(slots=True)
class Reading:
    """What came of reading some batches. `hooks`: as raw as they came, one for each of `arrivals`."""

    hooks: list[RawHook] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)


def read_batches(batches: Iterable[Batch], fields: FieldReader) -> Reading:
    """Read all hooks of these batches. Never raises: a fault stays with its hook."""
    reading = Reading()
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
    """A hook that is to be set aside because of this problem."""
    return Unread(hook.id, hook.received_at, 1, encode_batch([hook]), problem, hook)


def read_hook(hook: RawHook, fields: FieldReader) -> Arrival:
    """The hook as a delivery with what is wrong with it, and its event; None where it names no task."""
    query = storable(decode(hook.query)) if hook.query else ""
    headers, content_type = _read_headers(hook.headers)
    payload = read_payload(query, content_type, hook.body)
    found = fields.read(payload.pairs)
    problem = TOO_LARGE if hook.is_cut else payload.problem
    names_a_task = hook.ref is not None or found.task_id is not None
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
        problem if names_a_task else problem or NAMES_NO_TASK,
    )
    if not names_a_task:
        return Arrival(delivery, None)
    said = HookSaid(
        cast(Event, hook.event),
        found.call,
        found.task_id,
        found.queue_id,
        found.result,
        found.comment,
        found.sent_at,
        problem is None,
    )
    # A minted URL already says which task it is about: a payload's "id" could be anything.
    about = (hook.ref, None if hook.ref else found.task_id)
    return Arrival(delivery, hook_fact(hook.account, hook.id, hook.received_at, said, about))


@lru_cache(maxsize=256)
def _read_headers(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[str, str]:
    """The headers as JSON, and the Content-Type. A sender sends the same ones time and again."""
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    return orjson.dumps(pairs).decode(), dict(pairs).get("content-type", "")
