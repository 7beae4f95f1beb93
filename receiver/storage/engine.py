"""The store: one SQLite file or one PostgreSQL database behind the same statements. Every commit is on disk
before it is acknowledged.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from copy import copy
from functools import cache, partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from receiver.errors import StoreError, StoreUnavailableError, TimeLimitError
from receiver.storage import postgres, sqlite
from receiver.storage.backend import Backend
from receiver.storage.faults import translated_error
from receiver.storage.lanes import LANES, Lane, LaneThreads
from receiver.storage.processes import LaneProcesses, give_way

Result = TypeVar("Result")
Args = ParamSpec("Args")

_OVERTIME_S, _LOOK_AGAIN_S = 2.0, 1.0
"""Seconds beyond the patience after which an append hangs, since the server itself would have given up by
then; and until the next look.
"""

_SLOW_S = 0.5
"""Seconds after which a failure of the store is taken for everybody's."""


class Claim(Protocol):
    """Runs works one after the other in the same transaction."""

    def __call__(self, work: Callable[[Connection], Result]) -> Awaitable[Result]: ...


class Store:
    """`target`: the path of a SQLite file, or a postgresql:// URL. `patience`: seconds for which a
    transaction waits for others; None: as long as it takes on PostgreSQL, some seconds on SQLite.

    Writes go through one thread and one connection, so in this process they queue here and not on locks; on
    PostgreSQL appends to the inbox, and claims, have a thread and a connection of their own. `appending`: to
    be held around `append`; on SQLite it is also held by each `write`.
    """

    def __init__(self, target: str | Path, patience: float | None = None) -> None:
        self._backend = _backend(target, patience)
        self.name = self._backend.name
        self.is_shared = self._backend.claiming is not None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._appender = self._claimer = self._writer
        self._writing = self.appending = asyncio.Lock()
        if self.is_shared:
            self._appender = ThreadPoolExecutor(1, thread_name_prefix="store-appender")
            self._claimer = ThreadPoolExecutor(1, thread_name_prefix="store-claimer")
            self.appending = asyncio.Lock()
        self._append_s = None if patience is None or self._backend.cut is None else patience + _OVERTIME_S
        self._lanes = {lane: LaneThreads(lane) for lane in LANES}
        self._processes = LaneProcesses(partial(_compute, (target, patience)))
        self._lane: Lane = "work"
        self._when_unavailable: list[Callable[[StoreUnavailableError], None]] = []

    @property
    def path(self) -> Path:
        """The SQLite file. Raises StoreError on PostgreSQL."""
        if self._backend.path is None:
            raise StoreError("the store is not a file")
        return self._backend.path

    def log_bytes(self) -> int:
        """Size of SQLite's write-ahead log; 0 on PostgreSQL, whose log is the server's."""
        path = self._backend.path
        try:
            return path.with_name(path.name + "-wal").stat().st_size if path else 0
        except OSError:
            return 0

    def when_unavailable(self, reject: Callable[[StoreUnavailableError], None]) -> None:
        """Call `reject` whenever it took long to find that the store is unavailable: who waits for it then
        would wait as long for the same.
        """
        self._when_unavailable.append(reject)

    def for_requests(self) -> Self:
        """The same store, whose reads are those of requests unless they say otherwise."""
        other = copy(self)
        other._lane = "request"
        return other

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that is committed at its end. Raises StoreUnavailableError where the store cannot do
        so now, and StoreError where it never will take these rows.
        """
        with translated(), self._backend.writing.begin() as connection:
            yield connection

    @contextmanager
    def migration(self) -> Iterator[Connection]:
        """The same for one that may write all there is: on SQLite, what it sorts and what it may have to undo
        goes into files, not into memory.
        """
        if self._backend.path is not None:
            with translated():
                sqlite.use_files(self._backend.writing)
        with self.transaction() as connection:
            yield connection

    @contextmanager
    def snapshot(self, limit_s: float | None = None) -> Iterator[Connection]:
        """A consistent view for reading. Raises StoreUnavailableError where the store cannot give one, and
        TimeLimitError where a read takes longer than `limit_s`.
        """
        with translated(), self._backend.reading.connect() as connection:
            limited = nullcontext() if limit_s is None else self._backend.limited(connection, limit_s)
            with limited:
                yield connection

    async def append(self, statement: str, *values: Any) -> None:
        """Run one statement, in which each `?` stands for a value, and commit it: beside the writer, if there
        can be more than one. `appending` must be held.
        """
        run = partial(self._append, statement, values)
        if self._append_s is None:
            await self._in_thread(self._appender, run)
            return
        self._late = asyncio.get_running_loop().call_later(self._append_s, self._cut_late)
        try:
            await self._in_thread(self._appender, run)
        finally:
            self._late.cancel()

    def _cut_late(self) -> None:
        """Cut the connection of an append that hangs, and all others that do: those who wait must be told."""
        if self._backend.cut is not None and self._append_s is not None:
            self._backend.cut(self._append_s)
        self._late = asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, self._cut_late)

    def _append(self, statement: str, values: tuple[Any, ...]) -> None:
        with translated():
            self._backend.append(self._backend.appending, statement, values)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in one transaction on the writer thread."""
        async with self._writing:
            return await self._in_thread(self._writer, _within(self.transaction, work))

    async def read(self, work: Callable[[Connection], Result], lane: Lane | None = None) -> Result:
        """Run `work` on a snapshot, beside the writer and beside the reads of other lanes. Raises
        StoreUnavailableError; of the lane "heavy" TimeLimitError and TooManyReadsError.
        """
        threads = self._lanes[lane or self._lane]
        return await threads.run(_within(partial(self.snapshot, threads.rules.limit_s), work))

    async def compute(
        self, work: Callable[Concatenate[Connection, Args], Result], *args: Args.args, **kwargs: Args.kwargs
    ) -> Result:
        """Run `work` on a snapshot in a process of its own: for reads with much to compute in Python. What is
        handed over is pickled. Raises what `read` raises of the lane "heavy", and what `work` does.
        """
        result: Result = await self._processes.run(work, args, kwargs)
        return result

    @asynccontextmanager
    async def claim(self) -> AsyncIterator[Claim]:
        """A transaction that stays open while rows which it has locked are worked on. It is committed at the
        end, or rolled back after an error. Only on PostgreSQL.
        """
        run, claiming = asyncio.get_running_loop().run_in_executor, self._backend.claiming
        if claiming is None:
            raise StoreError("claims need PostgreSQL")
        beginning = run(self._claimer, _begun, claiming)
        try:
            connection = await asyncio.shield(beginning)
        except asyncio.CancelledError:
            # The thread goes on: a connection that nobody gives back would block all later claims.
            with suppress(StoreError):
                await run(self._claimer, _let_go, await beginning)
            raise

        async def work_on(work: Callable[[Connection], Result]) -> Result:
            return await run(self._claimer, _translating(work), connection)

        try:
            yield work_on
            await work_on(Connection.commit)
        finally:
            await run(self._claimer, _let_go, connection)

    async def _in_thread(self, pool: ThreadPoolExecutor, run: Callable[[], Result]) -> Result:
        """What it returns. Where it took long to find that the store is unavailable, others are told; but not
        of a statement that took too long: beside the writer that says nothing of others.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await loop.run_in_executor(pool, run)
        except StoreUnavailableError as error:
            is_its_own = isinstance(error, TimeLimitError) and pool is not self._appender
            if loop.time() - began > _SLOW_S and not is_its_own:
                for reject in self._when_unavailable:
                    reject(error)
            raise

    def close(self) -> None:
        """Finish what is running, then let go of file or server."""
        for pool in (self._claimer, self._appender, self._writer):
            pool.shutdown()
        for threads in self._lanes.values():
            threads.close()
        self._backend.close()


@cache
def _store_of_process(target: str | Path, patience: float | None) -> Store:
    give_way()
    return Store(target, patience)


def _compute(
    opening: tuple[str | Path, float | None],
    limit_s: float,
    work: Callable[..., Result],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Result:
    """In a process of its own."""
    with _store_of_process(*opening).snapshot(limit_s) as connection:
        return work(connection, *args, **kwargs)


def _within(
    scope: Callable[[], AbstractContextManager[Connection]], work: Callable[[Connection], Result]
) -> Callable[[], Result]:
    def run() -> Result:
        with scope() as connection:
            return work(connection)

    return run


def _begun(engine: Engine) -> Connection:
    with translated():
        connection = engine.connect()
        connection.begin()
        return connection


def _translating(work: Callable[[Connection], Result]) -> Callable[[Connection], Result]:
    def run(connection: Connection) -> Result:
        with translated():
            return work(connection)

    return run


def _let_go(connection: Connection) -> None:
    """Roll back an open transaction and return the connection. A lost connection has nothing to roll back."""
    with suppress(DBAPIError):
        connection.close()


def _backend(target: str | Path, patience: float | None) -> Backend:
    if isinstance(target, str) and postgres.is_url(target):
        return postgres.open_backend(target, patience)
    return sqlite.open_backend(Path(target), patience)


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the database as errors of ours."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        ours = translated_error(error)
        if ours is None:
            raise
        raise ours from None
