"""The embedded store: SQLite in WAL mode, one writer, every commit on disk before it is acknowledged."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, ProgrammingError
from sqlalchemy.pool import QueuePool

from receiver.errors import StoreError, StoreUnavailableError
from receiver.store import schema

Result = TypeVar("Result")

_READERS = 4
_BUSY_MS = 5000

_DATA_FAULTS = (IntegrityError, DataError, InterfaceError, ProgrammingError)
"""What is wrong with the rows, not with the store: trying again later mends nothing."""


class Store:
    """One SQLite file. Writes go through one thread, so they queue here and never on SQLite's lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = _engine(path, begin="BEGIN IMMEDIATE", connections=1)
        self._reading = _engine(path, begin="BEGIN", connections=_READERS)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="store-reader")

    def create(self) -> None:
        """Make the tables of an empty store. Raises SchemaError where its tables are another version's."""
        with self.transaction() as connection:
            schema.prepare(connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """The only place that commits. Raises StoreUnavailableError where the store cannot do so now, and
        StoreError where it never will take these rows.
        """
        with _translated(), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A consistent view for reading. Raises StoreUnavailableError where the store cannot give one."""
        with _translated(), self._reading.connect() as connection:
            yield connection

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
        """Finish what is running, then close the file."""
        self._writer.shutdown()
        self._readers.shutdown()
        self._reading.dispose()
        self._writing.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        # The driver's own text is short and holds no row content, unlike SQLAlchemy's.
        text = f"the store did not commit: {type(error.orig).__name__}: {error.orig}"
        raise (StoreError if isinstance(error, _DATA_FAULTS) else StoreUnavailableError)(text) from None


def _engine(path: Path, begin: str, connections: int) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"check_same_thread": False},
    )

    def connected(connection: Any, _record: object) -> None:
        # sqlite3's own transaction handling is off: SQLAlchemy's begin event says BEGIN, and says which.
        connection.isolation_level = None
        cursor = connection.cursor()
        pragmas = (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"busy_timeout={_BUSY_MS}",
            "wal_autocheckpoint=1000",
        )
        for pragma in (*pragmas, "cache_size=-65536", "temp_store=MEMORY"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine
