"""Batches of raw hooks on disk, from their acknowledgement until the ledger has them.

A batch is one MessagePack document, which a program in another language can read as well. It is an array: the
version (1), then an array of hooks. A hook is an array, in this order:

    id           text     of the delivery: 12 hex digits of arrival in milliseconds, then 20 random ones
    account      text     from the URL's path
    event        text     from the URL's path: before, before_again, success or after
    ref          text     our reference from the URL's path, or nil
    received_at  float    epoch seconds, UTC
    method       text     GET, POST or PUT
    query        binary   of the target, after fields that a naive sender appended to the path with an `&`
    headers      array    of [name in lower case, value], both binary; without cookies and credentials
    body         binary   up to `max_body_bytes`
    is_cut       boolean  whether the body was longer than that
    peer         text     address of the sender, or nil

A later version may add fields at the end of a hook: readers ignore fields that they do not know.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection, func, select

from receiver.errors import BatchError, StoreUnavailableError
from receiver.inbox.tables import INBOX
from receiver.storage.bulk import is_postgres, run
from receiver.storage.engine import Claim, Store

Result = TypeVar("Result")

VERSION = 1


class RawHook(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An authentic hook as it came, with the fields of the table above."""

    id: str
    account: str
    event: str
    ref: str | None
    received_at: float
    method: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    is_cut: bool = False
    peer: str | None = None

    @property
    def task_id(self) -> None:
        """None: the vendor's id is known once the payload is read."""


class _Document(msgspec.Struct, array_like=True, frozen=True, gc=False):
    version: int
    hooks: list[RawHook]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Document)


def encode_batch(hooks: Sequence[RawHook]) -> bytes:
    """Return the document of these hooks."""
    return _encoder.encode(_Document(VERSION, list(hooks)))


def decode_batch(document: bytes) -> list[RawHook]:
    """Return the hooks of a document. Raises BatchError if it is not one, or of another version."""
    try:
        batch = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BatchError(f"no batch of hooks: {type(error).__name__}") from None
    if batch.version != VERSION:
        raise BatchError(f"a batch of version {batch.version}, and this receiver reads {VERSION}")
    return batch.hooks


class StoredBatch(NamedTuple):
    """A batch in the inbox. `number`: unique for ever; `at`: when its first hook came; `size`: number of
    hooks; `document`: see above.
    """

    number: int
    at: float
    size: int
    document: bytes


class Level(NamedTuple):
    """The contents of the inbox. `since`: when its oldest hook came, epoch seconds; None if it is empty."""

    hooks: int
    bytes: int
    since: float | None


class Taken:
    """Batches that were taken: `finish` deletes them; without it they are taken again later."""

    def __init__(self, batches: Sequence[StoredBatch], transact: Claim) -> None:
        self.batches = batches
        self._transact = transact

    async def finish(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` and delete the batches in one transaction. Raises StoreUnavailableError if another
        process has taken them too, and errors of `work`.
        """
        return await self._transact(
            partial(_finish, work=work, numbers=[batch.number for batch in self.batches])
        )


class Inbox(Protocol):
    """Where batches are stored. `is_remote`: whether another process commits them; `turn`: to be held around
    `append`; `level`: the last known level.
    """

    is_remote: bool
    turn: asyncio.Lock
    level: Level

    def require_room(self) -> None:
        """Raise StoreUnavailableError if the inbox is full."""

    async def append(self, hooks: Sequence[RawHook], at: float) -> None:
        """Return once a batch of these hooks is on disk. `at`: when the first of them came. Raises
        StoreUnavailableError.
        """

    def take(self, most: int, without: Collection[int] = ()) -> AbstractAsyncContextManager[Taken]:
        """Take the oldest batches, with about `most` hooks together, without those of the numbers `without`.
        They stay in the inbox until they are finished.
        """

    async def measure(self) -> Level:
        """Read and return the level."""


class StoreInbox:
    """The inbox in the store: a row for each batch. It is full at `max_hooks` or `max_bytes`."""

    def __init__(self, store: Store, max_hooks: int, max_bytes: int) -> None:
        self._store = store
        self._max_hooks, self._max_bytes = max_hooks, max_bytes
        self.is_remote, self.turn = store.is_shared, store.appending
        self.level = Level(0, 0, None)

    def require_room(self) -> None:
        """Raise StoreUnavailableError if the inbox is full."""
        if self.level.hooks >= self._max_hooks or self.level.bytes >= self._max_bytes:
            raise StoreUnavailableError("the inbox is full: hooks come faster than they are read")

    async def append(self, hooks: Sequence[RawHook], at: float) -> None:
        """Return once a batch of these hooks is on disk. `at`: when the first of them came."""
        document = encode_batch(hooks)
        await self._store.append(_APPEND, at, len(hooks), len(document), document)
        level = self.level
        self.level = Level(level.hooks + len(hooks), level.bytes + len(document), level.since or at)

    @asynccontextmanager
    async def take(self, most: int, without: Collection[int] = ()) -> AsyncIterator[Taken]:
        """Take the oldest batches, with about `most` hooks together, without those of the numbers
        `without`.
        """
        first = partial(_first, most=most, without=without)
        if self._store.is_shared:
            async with self._store.claim() as claim:
                yield (taken := Taken(await claim(first), claim))
        else:
            yield (taken := Taken(await self._store.read(first), self._store.write))
        self._lower(taken.batches)

    def _lower(self, batches: Sequence[StoredBatch]) -> None:
        """Subtract batches that were read. The level is approximate, since other processes read, too."""
        hooks = self.level.hooks - sum(batch.size for batch in batches)
        size = self.level.bytes - sum(len(batch.document) for batch in batches)
        self.level = Level(max(0, hooks), max(0, size), self.level.since)

    async def measure(self) -> Level:
        """Read and return the level."""
        self.level = await self._store.read(measure)
        return self.level


def measure(connection: Connection) -> Level:
    """Return the level of the inbox."""
    count, size, since = INBOX.c["count"], INBOX.c["bytes"], INBOX.c["at"]
    hooks, total, oldest = connection.execute(
        select(func.coalesce(func.sum(count), 0), func.coalesce(func.sum(size), 0), func.min(since))
    ).one()
    return Level(int(hooks), int(total), oldest)


def _first(connection: Connection, most: int, without: Collection[int] = ()) -> list[StoredBatch]:
    query = _COUNTS + (_LOCKED if is_postgres(connection) else "")
    counts = run(connection, query, _LOOKED_AT + len(without)).all()
    numbers: list[int] = []
    hooks = 0
    for number, count in counts:
        if number in without:
            continue
        if numbers and hooks + count > most:
            break
        numbers.append(number)
        hooks += count
    query = "SELECT number, at, count, batch FROM inbox WHERE number IN ? ORDER BY number"
    return [StoredBatch(*row) for row in run(connection, query, numbers)] if numbers else []


_LOOKED_AT = 64
"""Number of batches of which the first ones are taken."""

_APPEND = "INSERT INTO inbox (at, count, bytes, batch) VALUES (?, ?, ?, ?)"
_COUNTS = "SELECT number, count FROM inbox ORDER BY number LIMIT ?"
_LOCKED = " FOR UPDATE SKIP LOCKED"


def _finish(connection: Connection, work: Callable[[Connection], Result], numbers: list[int]) -> Result:
    deleted = run(connection, "DELETE FROM inbox WHERE number IN ?", numbers).rowcount
    if deleted != len(numbers):
        raise StoreUnavailableError("another process has read the same hooks")
    return work(connection)
