"""The store: a SQLite file or a PostgreSQL database behind one interface. Commits return once on disk."""

import asyncio
import gc
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
from receiver.storage.connections import Backend
from receiver.storage.database_errors import translated_error
from receiver.storage.read_pools import POOLS, ProcessPool, ReadKind, ReadPool, lower_priority

Result = TypeVar("Result")
Args = ParamSpec("Args")

_HANG_S, _CHECK_S = 2.0, 1.0
"""Seconds beyond the timeout after which an append hangs, as the server should have ended it, and between
checks.
"""

_SLOW_S = 0.5
"""Seconds after which a failure of the store also fails the callers that wait."""


class Claim(Protocol):
    """Runs functions one by one in the same transaction."""

    def __call__(self, work: Callable[[Connection], Result]) -> Awaitable[Result]: ...


class Store:
    """`target`: path of a SQLite file, or a postgresql:// URL. `timeout_s`: seconds that a transaction waits
    for others; None: unlimited on PostgreSQL, 5 s on SQLite.

    Writes use one thread and one connection, so that they queue here and not on locks. On PostgreSQL, appends
    to the inbox and claims have a thread and a connection each. Hold `appending` around `append`; on SQLite
    `write` holds it, too.
    """

    def __init__(self, target: str | Path, timeout_s: float | None = None) -> None:
        self._backend = _backend(target, timeout_s)
        self.name = self._backend.name
        self.is_shared = self._backend.claiming is not None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._appender = self._claimer = self._writer
        self._writing = self.appending = asyncio.Lock()
        if self.is_shared:
            self._appender = ThreadPoolExecutor(1, thread_name_prefix="store-appender")
            self._claimer = ThreadPoolExecutor(1, thread_name_prefix="store-claimer")
            self.appending = asyncio.Lock()
        self._append_s = None if timeout_s is None or self._backend.cut is None else timeout_s + _HANG_S
        self._pools = {kind: ReadPool(kind) for kind in POOLS}
        self._processes = ProcessPool(partial(_compute, (target, timeout_s)))
        self._read_kind: ReadKind = "work"
        self._when_unavailable: list[Callable[[StoreUnavailableError], None]] = []

    @property
    def path(self) -> Path:
        """Return the SQLite file. Raises StoreError on PostgreSQL."""
        if self._backend.path is None:
            raise StoreError("the store is not a file")
        return self._backend.path

    def log_bytes(self) -> int:
        """Return the size of SQLite's write-ahead log in bytes; 0 on PostgreSQL."""
        path = self._backend.path
        try:
            return path.with_name(path.name + "-wal").stat().st_size if path else 0
        except OSError:
            return 0

    def when_unavailable(self, reject: Callable[[StoreUnavailableError], None]) -> None:
        """Call `reject` when the store has failed slowly; callers that wait would fail as slowly."""
        self._when_unavailable.append(reject)

    def for_requests(self) -> Self:
        """Return this store with "request" as the default kind of its reads."""
        other = copy(self)
        other._read_kind = "request"
        return other

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction, committed at the end. Raises StoreUnavailableError if the store cannot commit
        now, and StoreError if it will never accept these rows.
        """
        with translated(), self._backend.writing.begin() as connection:
            yield connection

    @contextmanager
    def migration(self) -> Iterator[Connection]:
        """Open a transaction that may rewrite whole tables; on SQLite it uses temporary files, not memory."""
        if self._backend.path is not None:
            with translated():
                sqlite.use_files(self._backend.writing)
        with self.transaction() as connection:
            yield connection

    @contextmanager
    def snapshot(self, limit_s: float | None = None) -> Iterator[Connection]:
        """Open a consistent snapshot for reading. Raises StoreUnavailableError, and TimeLimitError if a read
        takes longer than `limit_s`.
        """
        with translated(), self._backend.reading.connect() as connection:
            limited = nullcontext() if limit_s is None else self._backend.limited(connection, limit_s)
            with limited:
                yield connection

    async def append(self, statement: str, *values: Any) -> None:
        """Run and commit one statement with a `?` for each value; on PostgreSQL beside the writer.

        Hold `appending`.
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
        """Close the connections that hang, so that their callers fail."""
        if self._backend.cut is not None and self._append_s is not None:
            self._backend.cut(self._append_s)
        self._late = asyncio.get_running_loop().call_later(_CHECK_S, self._cut_late)

    def _append(self, statement: str, values: tuple[Any, ...]) -> None:
        with translated():
            self._backend.append(self._backend.appending, statement, values)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Return the result of `work`, run in one transaction in the writer's thread."""
        async with self._writing:
            return await self._in_thread(self._writer, partial(_run, self.transaction, work))

    async def read(self, work: Callable[[Connection], Result], kind: ReadKind | None = None) -> Result:
        """Return the result of `work`, run on a snapshot beside the writer and beside other kinds of reads.

        Raises StoreUnavailableError; for "heavy" reads also TimeLimitError and TooManyReadsError.
        """
        pool = self._pools[kind or self._read_kind]
        return await pool.run(partial(_run, partial(self.snapshot, pool.limits.limit_s), work))

    async def compute(
        self, work: Callable[Concatenate[Connection, Args], Result], *args: Args.args, **kwargs: Args.kwargs
    ) -> Result:
        """Return the result of `work`, run on a snapshot in another process: for reads with much computation.

        Arguments, result and errors are pickled. Raises the errors of a "heavy" `read`.
        """
        result: Result = await self._processes.run(work, args, kwargs)
        return result

    @asynccontextmanager
    async def claim(self) -> AsyncIterator[Claim]:
        """Open a transaction that locks rows while they are processed. It is committed at the end, or rolled
        back after an error. Only on PostgreSQL.
        """
        run, claiming = asyncio.get_running_loop().run_in_executor, self._backend.claiming
        if claiming is None:
            raise StoreError("claims need PostgreSQL")
        beginning = run(self._claimer, _begin, claiming)
        try:
            connection = await asyncio.shield(beginning)
        except asyncio.CancelledError:
            # The thread continues. Return its connection, or all later claims would be blocked.
            with suppress(StoreError):
                await run(self._claimer, _let_go, await beginning)
            raise

        async def work_on(work: Callable[[Connection], Result]) -> Result:
            return await run(self._claimer, _call, work, connection)

        try:
            yield work_on
            await work_on(Connection.commit)
        finally:
            await run(self._claimer, _let_go, connection)

    async def _in_thread(self, pool: ThreadPoolExecutor, run: Callable[[], Result]) -> Result:
        """Return the result of `run`. If the store fails slowly, reject the callers that wait; a slow
        statement beside the writer is no failure of the store.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await loop.run_in_executor(pool, run)
        except StoreUnavailableError as error:
            is_slow_statement = isinstance(error, TimeLimitError) and pool is not self._appender
            if loop.time() - began > _SLOW_S and not is_slow_statement:
                for reject in self._when_unavailable:
                    reject(error)
            raise

    def close(self) -> None:
        """Finish running work, then close all connections."""
        for thread in (self._claimer, self._appender, self._writer):
            thread.shutdown()
        for pool in self._pools.values():
            pool.close()
        self._backend.close()


@cache
def _store_of_process(target: str | Path, timeout_s: float | None) -> Store:
    lower_priority()
    gc.collect()
    gc.freeze()  # what has been imported stays: the collector need not pass over it
    return Store(target, timeout_s)


def _compute(
    opening: tuple[str | Path, float | None],
    limit_s: float,
    work: Callable[..., Result],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Result:
    """Run `work` in a process of the pool."""
    with _store_of_process(*opening).snapshot(limit_s) as connection:
        return work(connection, *args, **kwargs)


def _run(
    scope: Callable[[], AbstractContextManager[Connection]], work: Callable[[Connection], Result]
) -> Result:
    with scope() as connection:
        return work(connection)


def _begin(engine: Engine) -> Connection:
    with translated():
        connection = engine.connect()
        connection.begin()
        return connection


def _call(work: Callable[[Connection], Result], connection: Connection) -> Result:
    with translated():
        return work(connection)


def _let_go(connection: Connection) -> None:
    """Roll back an open transaction and return the connection. A lost connection has nothing to roll back."""
    with suppress(DBAPIError):
        connection.close()


def _backend(target: str | Path, timeout_s: float | None) -> Backend:
    if isinstance(target, str) and postgres.is_url(target):
        return postgres.open_backend(target, timeout_s)
    return sqlite.open_backend(Path(target), timeout_s)


@contextmanager
def translated() -> Iterator[None]:
    """Raise errors of the database as StoreError or a subclass."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        store_error = translated_error(error)
        if store_error is None:
            raise
        raise store_error from None
