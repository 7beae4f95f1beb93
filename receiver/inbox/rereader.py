"""Reads deliveries of the ledger again with the current mapping, a few at a time, since hooks come first.

A delivery whose reading is the same is left as it is, so a second run adds nothing.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
import structlog
from sqlalchemy import ColumnElement, Connection, Row, Select, select, tuple_

from receiver.domain.fields import FieldReader
from receiver.errors import StoreUnavailableError
from receiver.inbox.inbox import RawHook
from receiver.inbox.reading import read_hook
from receiver.ledger.problems import TOO_LARGE, where_from
from receiver.ledger.reread import ReadingChange, Reread, add_readings, compare, hooks_of
from receiver.ledger.tables import DELIVERY
from receiver.ledger.throttle import BatchSize
from receiver.runtime.clock import Clock
from receiver.storage.engine import Store

_log = structlog.get_logger("receiver.inbox")

ROWS = 100
"""Number of deliveries in memory: each may have a body of `max_body_bytes`."""

_LEAST, _MOST, _TARGET_S = 4, ROWS, 0.01
"""Bounds of the deliveries in one transaction, and its target length in seconds: on SQLite hooks wait for
it.
"""

_REST, _LEAST_REST_S = 4.0, 0.005
"""Pause after a transaction in multiples of its length, and its minimum in seconds."""

_OTHER_FOLDS_S, _MOST_WAIT_S = 0.02, 10.0
"""Pause in seconds while another receiver folds, and seconds after which to give up."""

Position = tuple[float, str]
"""`received_at` and id of the last delivery that was read."""

START: Position = (-1.0, "")


@dataclass(frozen=True, slots=True)
class Selection:
    """Filter of deliveries; None: any. `since`, `until`: epoch seconds of arrival; `problem`: `any`, `none`,
    or one problem.
    """

    account: str | None = None
    since: float | None = None
    until: float | None = None
    problem: str | None = None

    def wheres(self) -> list[ColumnElement[bool]]:
        """Return the conditions."""
        came, problem = DELIVERY.c.received_at, DELIVERY.c.problem
        wheres: list[ColumnElement[bool]] = []
        if self.account is not None:
            wheres.append(DELIVERY.c.account == self.account)
        if self.since is not None:
            wheres.append(came >= self.since)
        if self.until is not None:
            wheres.append(came < self.until)
        if self.problem is not None:
            special = {"any": problem.isnot(None), "none": problem.is_(None)}
            wheres.append(special.get(self.problem, problem == self.problem))
        return wheres


@dataclass(slots=True)
class RereadPart:
    """The result of reading some deliveries. `read`: their number; `failed`: number of those that could not
    be read because of an error of the receiver; `last`: where to go on, None if there are no more.
    """

    read: int
    failed: int
    last: Position | None
    changes: list[ReadingChange] = field(default_factory=list)


class Rereader:
    """Reads deliveries again. `fields`: reads payloads by the current mapping; `is_dry`: nothing is
    written.
    """

    def __init__(self, store: Store, fields: FieldReader, clock: Clock, *, is_dry: bool) -> None:
        self._store = store
        self._fields = fields
        self._clock = clock
        self._is_dry = is_dry
        self._size = BatchSize(_LEAST, _MOST)

    async def parts(
        self, selection: Selection, after: Position = START, most: int | None = None
    ) -> AsyncGenerator[RereadPart, None]:
        """Read the first `most` deliveries behind `after`, or all, oldest first; yield the result of each
        part. Raises StoreUnavailableError; the parts that were yielded are stored.
        """
        last: Position | None = after
        left = sys.maxsize if most is None else most
        while last is not None and left > 0:
            outcome = await self._part(_page(selection, last, min(ROWS, left)), min(ROWS, left))
            yield outcome
            last, left = outcome.last, left - outcome.read

    async def _part(self, query: Select[Any], most: int) -> RereadPart:
        rows = await self._store.read(partial(_fetch, query=query))
        rereads, failed = await asyncio.to_thread(read_rows, rows, self._fields)
        last = (rows[-1].received_at, rows[-1].id) if len(rows) == most else None
        outcome = RereadPart(len(rows), failed, last)
        # Compare before writing: most deliveries have not changed.
        changes = await self._store.read(partial(compare, rereads=rereads))
        if self._is_dry:
            outcome.changes = changes
            return outcome
        todo = [change.reread for change in changes]
        while todo:
            number = self._size.within(_TARGET_S)
            part, todo = todo[:number], todo[number:]
            await self._add_part(part, outcome)
        return outcome

    async def _add_part(self, rereads: Sequence[Reread], outcome: RereadPart) -> None:
        """Store readings in one transaction; if the store refuses them, each in one of its own."""
        try:
            outcome.changes += await self._add(rereads)
        except StoreUnavailableError:
            raise
        except Exception as error:
            if len(rereads) > 1:
                for reread in rereads:
                    await self._add_part([reread], outcome)
            else:
                outcome.failed += 1
                _warn(rereads[0].delivery.id, error)

    async def _add(self, rereads: Sequence[Reread]) -> list[ReadingChange]:
        loop = asyncio.get_running_loop()
        since = loop.time()
        work = partial(add_readings, rereads=rereads, now=self._clock.now())
        while True:
            began = loop.time()
            done = await self._store.write(work)
            took = loop.time() - began
            if done is not None:
                break
            if loop.time() - since > _MOST_WAIT_S:
                raise StoreUnavailableError("another receiver has been folding for too long")
            await asyncio.sleep(_OTHER_FOLDS_S)
        self._size.note(len(rereads), took)
        await asyncio.sleep(max(_LEAST_REST_S, _REST * took))
        return done


def _page(selection: Selection, after: Position, most: int) -> Select[Any]:
    order = DELIVERY.c.received_at, DELIVERY.c.id
    behind = tuple_(*order) > tuple_(*after)
    return select(DELIVERY).where(*selection.wheres(), behind).order_by(*order).limit(most)


def _fetch(connection: Connection, query: Select[Any]) -> Sequence[Row[Any]]:
    return connection.execute(query).all()


def read_rows(rows: Sequence[Row[Any]], fields: FieldReader) -> tuple[list[Reread], int]:
    """Read rows of `delivery` with this mapping. Return the readings, and the number of rows that failed."""
    rereads, failed = [], 0
    for row in rows:
        try:
            arrival = read_hook(_raw(row), fields)
        except Exception as error:
            failed += 1
            _warn(row.id, error)
        else:
            rereads.append(Reread(arrival.delivery, row.problem, hooks_of(arrival)))
    return rereads, failed


def _raw(row: Row[Any]) -> RawHook:
    """Return the hook as it came."""
    headers = orjson.loads(row.headers) if isinstance(row.headers, str) else row.headers
    return RawHook(
        row.id,
        row.account,
        row.event,
        row.ref,
        row.received_at,
        row.method,
        row.query.encode(),
        tuple((_latin(name), _latin(value)) for name, value in headers),
        bytes(row.body),
        is_cut=(row.problem or "").startswith(TOO_LARGE),
        peer=row.peer,
    )


def _latin(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def _warn(delivery: str, error: Exception) -> None:
    _log.warning(
        "a delivery could not be read again and is left as it was; please report the problem",
        request_id=delivery,
        problem=where_from(error),
    )
