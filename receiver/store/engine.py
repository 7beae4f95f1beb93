"""The store: one SQLite file or one PostgreSQL database behind the same statements. Every commit is on disk
before it is acknowledged.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from receiver.errors import StoreError, StoreUnavailableError
from receiver.store import postgres, schema, sqlite, statements
from receiver.store.backend import READERS, Arrival, Backend

Result = TypeVar("Result")

_DATA_FAULTS = (
    *(IntegrityError, DataError, InterfaceError, ProgrammingError),
    *(sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError),
)
"""What is wrong with the rows, not with the store: trying again later mends nothing."""


class Store:
    """`target`: the path of a SQLite file, or a postgresql:// URL. `patience`: seconds for which a
    transaction waits for others; None: as long as it takes on PostgreSQL, some seconds on SQLite.
    `appends_beside`: `append` does not wait for `write`.

    Writes go through one thread and one connection, so in this process they queue here and not on locks; on
    PostgreSQL hooks have a thread and a connection of their own.
    """

    def __init__(self, target: str | Path, patience: float | None = None) -> None:
        self._backend = _backend(target, patience)
        self.name = self._backend.name
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self.appends_beside = self._backend.appending is not self._backend.writing
        self._appender = self._writer
        if self.appends_beside:
            self._appender = ThreadPoolExecutor(1, thread_name_prefix="store-appender")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")

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

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """The only place that commits. Raises StoreUnavailableError where the store cannot do so now, and
        StoreError where it never will take these rows.
        """
        with _translated(), self._backend.writing.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A consistent view for reading. Raises StoreUnavailableError where the store cannot give one."""
        with _translated(), self._backend.reading.connect() as connection:
            yield connection

    async def append(self, arrivals: Sequence[Arrival]) -> None:
        """Keep hook deliveries with the facts that they are, and mark those facts as pending."""

        def run() -> None:
            with _translated():
                self._backend.append(self._backend.appending, arrivals)

        await asyncio.get_running_loop().run_in_executor(self._appender, run)

    async def probe(self, ids: Sequence[str]) -> None:
        """Keep deliveries with these ids, which must be new, and take them back, all in one transaction that
        goes to the disk. Raises StoreUnavailableError where a hook could not be kept either.
        """
        await self.write(lambda connection: statements.keep_and_take_back(connection, ids))

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in one transaction on the writer thread."""
        return await self._in_thread(self._writer, self.transaction, work)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` on a snapshot, beside the writer."""
        return await self._in_thread(self._readers, self.snapshot, work)

    async def _in_thread(
        self, pool: ThreadPoolExecutor, scope: Callable[[], Any], work: Callable[[Connection], Result]
    ) -> Result:
        def run() -> Result:
            with scope() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(pool, run)

    def close(self) -> None:
        """Finish what is running, then let go of file or server."""
        for pool in (self._appender, self._writer, self._readers):
            pool.shutdown()
        for engine in (self._backend.reading, self._backend.appending, self._backend.writing):
            engine.dispose()


def _backend(target: str | Path, patience: float | None) -> Backend:
    if isinstance(target, str) and postgres.is_url(target):
        return postgres.open_backend(target, patience)
    return sqlite.open_backend(Path(target), patience)


@contextmanager
def _translated() -> Iterator[None]:
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
        at_fault = isinstance(error, _DATA_FAULTS) and not is_cut_off
        raise (StoreError if at_fault else StoreUnavailableError)(text) from None
