"""Takes one person's phone number out of the whole store, in small transactions. Sums stay."""

import asyncio
import secrets
import sqlite3
import string
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Table

from receiver.ledger.projector import Projector
from receiver.ledger.tables import DELIVERY
from receiver.maintenance.number_pattern import NumberPattern
from receiver.maintenance.purge_sweep import change_rows, find_rows, key_values, swept_tables
from receiver.maintenance.purge_tasks import (
    FactPage,
    PurgePlan,
    PurgeTarget,
    find_tasks,
    plan,
    purge_others,
    purge_tasks,
)
from receiver.outcomes.tables import DELIVERY_ATTEMPT, OUTCOME
from receiver.storage.bulk import is_postgres
from receiver.storage.engine import Store

_TASKS = 20
"""Tasks of a transaction: hooks wait for it."""

_PASSES = 3
"""Maximum number of passes: facts of later hooks may bring the number back meanwhile."""

_CHUNK = 4 * 2**20
_OVERLAP = 200
"""Bytes of a file that are read at once, and that are read twice, so that no number is cut in two."""

_TRIES, _TRY_S = 50, 0.1
"""Attempts to empty the write-ahead log while others read, and seconds between them."""

Result = TypeVar("Result")


def new_token() -> str:
    """Return a word that stands in place of a number. It has no digit, so it is no number itself."""
    return "purged-" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(10))


class Purge:
    """One purge. `counts`: what was found, by kind; with `is_dry` nothing is changed. `_planned`: table →
    primary keys of rows that a dry run has counted already.
    """

    def __init__(self, store: Store, projector: Projector, pattern: NumberPattern, is_dry: bool) -> None:
        self._store = store
        self._projector = projector
        self._pattern = pattern
        self._is_dry = is_dry
        self.counts: Counter[str] = Counter()
        self._planned: dict[str, set[tuple[Any, ...]]] = defaultdict(set)

    async def run(self) -> None:
        """Purge all tables. Raises StoreUnavailableError; what is purged by then stays so."""
        for _ in range(1 if self._is_dry else _PASSES):
            if not await self._tasks():
                break
        for table in swept_tables(self._projector.derived_tables):
            await self._sweep(table, "other_rows")
        if not self._is_dry:
            for table in self._projector.derived_tables:
                await self._sweep(table, "left")

    async def _tasks(self) -> int:
        """Purge all tasks with facts that have the number. Return how many there are."""
        after: int | None = 0
        tasks = 0
        while after is not None:
            page: FactPage = await self._store.read(partial(find_tasks, pattern=self._pattern, after=after))
            after = page.last
            for account, keys in page.keys.items():
                tasks += await self._purge_keys(account, sorted(keys))
            if page.others:
                self.counts["facts"] += await self._changed(
                    partial(purge_others, pattern=self._pattern, seqs=page.others), len(page.others)
                )
        return tasks

    async def _purge_keys(self, account: str, keys: Sequence[str]) -> int:
        for start in range(0, len(keys), _TASKS):
            target = PurgeTarget(self._pattern, account, keys[start : start + _TASKS])
            if self._is_dry:
                changes, unsettled = await self._store.read(partial(plan, target=target)), 0
            else:
                work = partial(purge_tasks, projector=self._projector, target=target)
                changes, unsettled = await self._write(work)
            self._count(changes, unsettled)
        self.counts["tasks"] += len(keys)
        return len(keys)

    def _count(self, changes: PurgePlan, unsettled: int) -> None:
        self.counts["unsettled"] += unsettled
        for kind, rows in changes._asdict().items():
            self.counts[kind] += len(rows)
        if self._is_dry:
            self._planned[OUTCOME.name].update((row["of_seq"],) for row in changes.outcomes)
            self._planned[DELIVERY.name].update((delivery,) for delivery in changes.deliveries)
            self._planned[DELIVERY_ATTEMPT.name].update((seq,) for seq in changes.answers)

    async def _sweep(self, table: Table, counted: str) -> None:
        """Find the rows of a table with the number: `other_rows`, from which it is taken out, or those that
        are `left` in a derived table, since a concurrent fold has added them.
        """
        after: Sequence[Any] | None = None
        while True:
            page = await self._store.read(partial(find_rows, table=table, pattern=self._pattern, after=after))
            changes = [row for row in page.changes if key_values(table, row) not in self._planned[table.name]]
            self.counts[counted] += len(changes)
            self.counts["named"] += page.named
            if changes and not self._is_dry and counted == "other_rows":
                await self._write(partial(change_rows, table=table, changes=changes))
            if page.last is None:
                return
            after = page.last

    async def _changed(self, work: Callable[[Connection], int], found: int) -> int:
        return found if self._is_dry else await self._write(work)

    async def _write(self, work: Callable[[Connection], Result]) -> Result:
        return await self._store.write(partial(_overwriting, work=work))


def _overwriting(connection: Connection, work: Callable[[Connection], Result]) -> Result:
    """Do the work. SQLite overwrites what it deletes."""
    if is_postgres(connection):
        return work(connection)
    before = connection.exec_driver_sql("PRAGMA secure_delete").scalar()  # a build's default may be on
    connection.exec_driver_sql("PRAGMA secure_delete=ON")
    try:
        return work(connection)
    finally:
        connection.exec_driver_sql(f"PRAGMA secure_delete={before}")


async def empty_log(path: Path) -> bool:
    """Empty SQLite's write-ahead log, which has old pages. Return False if a reader prevents it."""
    for _ in range(_TRIES):
        if await asyncio.to_thread(_checkpoint, path):
            return True
        await asyncio.sleep(_TRY_S)
    return False


def _checkpoint(path: Path) -> bool:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not is_busy


def rewrite(path: Path) -> None:
    """Write a SQLite file anew without its free pages, which may have old rows. Needs the space of a copy."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def holding_files(folders: Sequence[Path], pattern: NumberPattern, without: Path | None) -> Iterator[Path]:
    """Yield the files of these folders that have the number, such as backups and exports. `without`: the live
    store. Compressed files cannot be searched.
    """
    own = (
        {without.resolve(), *(without.with_name(without.name + end) for end in ("-wal", "-shm"))}
        if without
        else set()
    )
    for folder in folders:
        for path in sorted(folder.rglob("*") if folder.is_dir() else [folder]):
            if path.is_file() and path.resolve() not in own and has_number(path, pattern):
                yield path


def has_number(path: Path, pattern: NumberPattern) -> bool:
    """Return whether the bytes of a file have the number."""
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if pattern.is_in_chunk(tail + chunk):
                return True
            tail = chunk[-_OVERLAP:]
    return False
