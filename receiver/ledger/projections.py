"""Projections: what follows from folded tasks, each with its tables.

The ledger writes facts; a projection writes what follows from them. Folding, `rebuild`, `rebuild --verify`
and retention go through the list of projections in `app.py` and know no table of theirs.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, select

from receiver.domain.facts import Fact
from receiver.domain.frozen_record import frozen_record
from receiver.domain.task_rows import Row, TaskRows
from receiver.domain.timeline import Timeline
from receiver.storage.bulk import among
from receiver.storage.engine import Store


@frozen_record
class TaskChange:
    """One task before and after. `before`: as stored under this key, None if it is not. `after`, `timeline`:
    as folded, None if the task is removed. `former`: as stored under the preliminary key, if the ref has
    become known.
    """

    key: str
    before: TaskRows | None
    after: TaskRows | None
    timeline: Timeline | None
    former: TaskRows | None = None


@frozen_record
class FoldBatch:
    """Changes of one account's tasks in one transaction. `renamed`: preliminary key → ref. `queue_facts`: new
    facts about queues.
    """

    account: str
    changes: Sequence[TaskChange]
    renamed: Mapping[str, str]
    queue_facts: Sequence[Fact] = ()

    @property
    def keys(self) -> list[str]:
        """The keys of all changed tasks."""
        return [change.key for change in self.changes]


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that does not follow from the ledger. `columns`: name → (live, rebuilt), if both have the row."""

    table: str
    key: str
    problem: str
    columns: dict[str, tuple[Any, Any]]


class Projection(ABC):
    """One consequence of a fold. `tables`: tables with rows of single tasks, by `account` and `key`. `reads`:
    columns of `task` that it needs of `TaskChange.before`.
    """

    tables: ClassVar[tuple[Table, ...]] = ()
    reads: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def apply(self, connection: Connection, batch: FoldBatch) -> None:
        """Write what follows from the changes, inside the fold's transaction."""

    def rows_of(
        self, connection: Connection, account: str, keys: Collection[str]
    ) -> list[tuple[Table, ColumnElement[bool]]]:
        """Return each table with the condition for its rows of these tasks."""
        return [
            (table, and_(table.c.account == account, among(connection, table.c.key, keys)))
            for table in self.tables
        ]

    def retire(self, connection: Connection, batch: FoldBatch) -> Counter[str]:
        """Delete the rows of expired tasks, whose facts are deleted already. Return table → deleted rows."""
        return Counter(
            {
                table.name: connection.execute(delete(table).where(where)).rowcount
                for table, where in self.rows_of(connection, batch.account, batch.keys)
            }
        )


class Rebuilding(Protocol):
    """What a derived projection can ask of a rebuild, which may run beside a service."""

    store: Store

    def refold(self) -> None:
        """Fold every task again and apply the result to all derived projections."""

    def repair(self, wrong: Select[Any], repair: Callable[[Connection, str, list[str]], None]) -> None:
        """Find rows by a query for (account, name), then call `repair` with some names of one account at a
        time, each time in a short transaction under the fold's lock.
        """


class Check(Protocol):
    """Compares one projection with the ledger."""

    def compare(self, batch: FoldBatch) -> Iterable[Difference]:
        """Compare some tasks. `before` is the live record; `timeline` is None while the task is dirty."""

    def finish(self) -> Iterable[Difference]:
        """Compare what is left after all tasks."""


class DerivedProjection(Projection):
    """A projection that can be derived from the ledger again."""

    def derive(self, rebuilding: Rebuilding) -> None:
        """Put right what a fold of all tasks does not."""

    def rows(self, change: TaskChange) -> Mapping[Table, Sequence[Row]]:  # noqa: ARG002 - for tables of tasks only
        """Return the rows of each of `tables` that follow from a folded task."""
        return {}

    def differences(self, connection: Connection) -> Iterable[Difference]:  # noqa: ARG002
        """Compare what does not belong to single tasks."""
        return ()

    def check(self, connection: Connection) -> AbstractContextManager[Check]:
        """Return a comparison with the ledger on one snapshot."""
        return nullcontext(_TableCheck(self, connection))


@dataclass(frozen=True, slots=True)
class _TableCheck:
    projection: DerivedProjection
    connection: Connection

    def compare(self, batch: FoldBatch) -> Iterator[Difference]:
        folded = [change for change in batch.changes if change.timeline]
        rebuilt = [self.projection.rows(change) for change in folded]
        keys = [change.key for change in folded]
        conditions = dict(self.projection.rows_of(self.connection, batch.account, keys))
        for table in self.projection.tables:
            live = self.connection.execute(select(table).where(conditions[table])).mappings()
            yield from compare_rows(table, live, (row for rows in rebuilt for row in rows[table]))

    def finish(self) -> Iterable[Difference]:
        return self.projection.differences(self.connection)


def compare_rows(
    table: Table, live: Iterable[Mapping[Any, Any]], rebuilt: Iterable[Row]
) -> Iterator[Difference]:
    """Compare live rows with rebuilt ones by their primary key, in the columns that the rebuilt ones have."""
    names = [column.name for column in table.primary_key]
    found = {tuple(row[name] for name in names): row for row in live}
    wanted = {tuple(row[name] for name in names): row for row in rebuilt}
    for key in sorted(found.keys() | wanted.keys()):
        name = "/".join(map(str, key))
        if key not in found:
            yield Difference(table.name, name, "missing", {})
        elif key not in wanted:
            yield Difference(table.name, name, "not borne out by the ledger", {})
        elif columns := differing(found[key], wanted[key]):
            yield Difference(table.name, name, "differs", columns)


def differing(live: Mapping[Any, Any], rebuilt: Row) -> dict[str, tuple[Any, Any]]:
    """Return the columns of `rebuilt` in which the live row differs: name → (live, rebuilt)."""
    return {name: (live[name], value) for name, value in rebuilt.items() if live[name] != value}
