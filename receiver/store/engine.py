"""The store: one SQLite file or one PostgreSQL database behind the same statements. Every commit is on disk
before it is acknowledged.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from receiver.errors import StoreError, StoreUnavailableError
from receiver.store import postgres, schema, sqlite
from receiver.store.backend import READERS, Backend

Result = TypeVar("Result")

_SLOW_S = 0.5
"""Seconds after which a failure of the store is taken for everybody's."""


class Claim(Protocol):
    """Runs works one after the other in the same transaction."""

    def __call__(self, work: Callable[[Connection], Result]) -> Awaitable[Result]: ...


_DATA_FAULTS = (
    *(IntegrityError, DataError, InterfaceError, ProgrammingError),
    *(sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError),
)
"""What is wrong with the rows, not with the store: trying again later mends nothing."""

_LIMITS = "54"
"""PostgreSQL's class of errors for values that are too large, for example for an index. They are the rows'
fault, although psycopg counts them as operational.
"""


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
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._when_unavailable: list[Callable[[StoreUnavailableError], None]] = []

    @property
    def path(self) -> Path:
        """The SQLite file. Raises StoreError on PostgreSQL."""
        if self._backend.path is None:
            raise StoreError("the store is not a file")
        return self._backend.path

    def create(self) -> None:
        """Make the tables of an empty store. Raises SchemaError where its tables are another version's."""
        with self.transaction() as connection:
            schema.prepare(connection)

    def when_unavailable(self, reject: Callable[[StoreUnavailableError], None]) -> None:
        """Call `reject` whenever it took long to find that the store is unavailable: who waits for it then
        would wait as long for the same.
        """
        self._when_unavailable.append(reject)

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
    def snapshot(self) -> Iterator[Connection]:
        """A consistent view for reading. Raises StoreUnavailableError where the store cannot give one."""
        with translated(), self._backend.reading.connect() as connection:
            yield connection

    async def append(self, statement: str, *values: Any) -> None:
        """Run one statement, in which each `?` stands for a value, and commit it: beside the writer, if there
        can be more than one. `appending` must be held.
        """
        await self._in_thread(self._appender, partial(self._append, statement, values))

    def _append(self, statement: str, values: tuple[Any, ...]) -> None:
        with translated():
            self._backend.append(self._backend.appending, statement, values)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in one transaction on the writer thread."""
        async with self._writing:
            return await self._in_thread(self._writer, _within(self.transaction, work))

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` on a snapshot, beside the writer."""
        return await self._in_thread(self._readers, _within(self.snapshot, work))

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
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await loop.run_in_executor(pool, run)
        except StoreUnavailableError as error:
            if loop.time() - began > _SLOW_S:
                for reject in self._when_unavailable:
                    reject(error)
            raise

    def close(self) -> None:
        """Finish what is running, then let go of file or server."""
        for pool in (self._claimer, self._appender, self._writer, self._readers):
            pool.shutdown()
        backend = self._backend
        for engine in (backend.claiming, backend.reading, backend.appending, backend.writing):
            if engine is not None:
                engine.dispose()


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
    try:
        yield
    except PoolTimeoutError:
        raise StoreUnavailableError("the store is busy: no connection was free in time") from None
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        # The driver's text may quote a row's values, people's numbers among them: its first line never does.
        said = str(cause).partition("\n")[0]
        text = f"the store did not commit: {type(cause).__name__}: {said}"
        is_cut_off = isinstance(error, DBAPIError) and error.connection_invalidated
        is_beyond_limit = (getattr(cause, "sqlstate", None) or "").startswith(_LIMITS)
        at_fault = (isinstance(error, _DATA_FAULTS) or is_beyond_limit) and not is_cut_off
        raise (StoreError if at_fault else StoreUnavailableError)(text) from None
