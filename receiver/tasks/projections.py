"""Projections of tasks: queues, tasks with their findings and counts, and attempts."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, delete, exists, select

from receiver.domain.facts import Fact, QueueSnapshot
from receiver.domain.task_rows import Row, TaskRows, finding_rows
from receiver.ledger.fact_sql import FACT_COLUMNS, insert_into, read_fact
from receiver.ledger.projections import (
    DerivedProjection,
    Difference,
    FoldBatch,
    Rebuilding,
    TaskChange,
    compare_rows,
    differing,
)
from receiver.ledger.projector import StoredTasks
from receiver.ledger.tables import FACT
from receiver.storage import locks
from receiver.storage.bulk import among, run, write
from receiver.tasks import task_counts
from receiver.tasks.tables import ATTEMPT, FINDING, QUEUE, TASK, TASK_COUNT
from receiver.tasks.task_counts import TaskCounts

_ATTEMPT_COLUMNS = tuple(column.name for column in ATTEMPT.c)


class Queues(DerivedProjection):
    """The table `queue`: the last description of each queue by the API."""

    def apply(self, connection: Connection, batch: FoldBatch) -> None:
        for fact in batch.queue_facts:
            _put_queue(connection, _queue_row(fact))

    def derive(self, rebuilding: Rebuilding) -> None:
        with rebuilding.store.snapshot() as connection:
            if not any(self.differences(connection)):
                return
        with rebuilding.store.transaction() as connection:
            locks.lock_folding(connection)
            connection.execute(delete(QUEUE))
            for row in _derived_queues(connection):
                _put_queue(connection, row)

    def differences(self, connection: Connection) -> Iterable[Difference]:
        live = connection.execute(select(QUEUE)).mappings()
        return compare_rows(QUEUE, live, _derived_queues(connection))


def _queue_row(fact: Fact) -> dict[str, Any]:
    queue = fact.payload
    assert isinstance(queue, QueueSnapshot)  # noqa: S101 - for the type checker
    return {
        "account": fact.account,
        "queue_id": queue.queue_id,
        "name": queue.name,
        "comment": queue.comment,
        "status": queue.status,
        "concurrent_task_limit": queue.concurrent_task_limit,
        "created_at": queue.created_at,
        "observed_at": fact.at,
    }


def _put_queue(connection: Connection, row: Row) -> None:
    """Write the row unless a later description is stored."""
    statement = insert_into(connection, QUEUE).values(**row)
    newer = QUEUE.c.observed_at < statement.excluded.observed_at
    changes = {column.name: statement.excluded[column.name] for column in QUEUE.c if not column.primary_key}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["account", "queue_id"], set_=changes, where=newer)
    )


def _derived_queues(connection: Connection) -> list[dict[str, Any]]:
    """Return the rows of `queue` that follow from the ledger."""
    query = select(*FACT_COLUMNS).where(FACT.c.kind == "queue").order_by(FACT.c.at, FACT.c.seq)
    rows = [_queue_row(fact) for fact in map(read_fact, connection.execute(query))]
    return list({(row["account"], row["queue_id"]): row for row in rows}.values())


class Tasks(DerivedProjection):
    """The tables `task` and `finding`, and the numbers of both in `task_count`."""

    tables = (TASK, FINDING)
    reads = ("queue_id", "state", "due_for")

    def apply(self, connection: Connection, batch: FoldBatch) -> None:
        if not batch.changes:
            return
        counts = TaskCounts()
        for change in batch.changes:
            counts.change_task(batch.account, change.before, change.after)
        removed = [change.key for change in batch.changes if not change.after]
        if removed:
            run(connection, "DELETE FROM task WHERE account = ? AND key IN ?", batch.account, removed)
        write(connection, TASK, "put", [_new_row(change.after) for change in batch.changes if change.after])
        _delete_findings(connection, batch, counts)
        findings = [
            row for change in batch.changes if change.timeline for row in finding_rows(change.timeline)
        ]
        for row in findings:
            counts.add_finding(row["account"], row["category"], row["kind"], row["count"])
        write(connection, FINDING, "add", findings)
        counts.write(connection)

    def retire(self, connection: Connection, batch: FoldBatch) -> Counter[str]:
        counts = TaskCounts()
        for change in batch.changes:
            counts.change_task(batch.account, change.before, None)
        findings = _delete_findings(connection, batch, counts)
        counts.write(connection)
        return super().retire(connection, batch) | Counter({FINDING.name: findings})

    def rows(self, change: TaskChange) -> Mapping[Table, Sequence[Row]]:
        if not change.after or not change.timeline:
            return {TASK: (), FINDING: ()}
        return {TASK: [change.after.task], FINDING: finding_rows(change.timeline)}

    def derive(self, rebuilding: Rebuilding) -> None:
        rebuilding.refold()

    def differences(self, connection: Connection) -> Iterable[Difference]:
        """Compare the counts with the rows of tasks and findings."""
        for key, (live, right) in task_counts.differences(connection).items():
            columns = differing({"number": live}, {"number": right})
            yield Difference(TASK_COUNT.name, "/".join(key), "differs", columns)


def _new_row(record: TaskRows) -> dict[str, Any]:
    """Return the whole row of a task about which the API was not asked."""
    return {**record.task, "ask_at": record.task["due_at"], "asks": 0}


def _delete_findings(connection: Connection, batch: FoldBatch, counts: TaskCounts) -> int:
    """Delete the findings of these tasks and subtract them from the counts. Return the number of rows."""
    query = "DELETE FROM finding WHERE account = ? AND key IN ? RETURNING category, kind, count"
    rows = run(connection, query, batch.account, batch.keys).all()
    for category, kind, count in rows:
        counts.add_finding(batch.account, category, kind, -count)
    return len(rows)


class Attempts(DerivedProjection):
    """The table `attempt`."""

    tables = (ATTEMPT,)

    def apply(self, connection: Connection, batch: FoldBatch) -> None:
        """Write the attempts that have changed. All of a task are deleted first if they have become fewer."""
        changed: list[Row] = []
        fewer: list[str] = []
        for change in batch.changes:
            before = change.before.attempts if change.before else []
            after = change.after.attempts if change.after else []
            if not change.after or len(before) > len(after):
                fewer.append(change.key)
            if list(before) != list(after):
                changed += after
        if fewer:
            run(connection, "DELETE FROM attempt WHERE account = ? AND key IN ?", batch.account, fewer)
        write(connection, ATTEMPT, "put", changed)

    def rows(self, change: TaskChange) -> Mapping[Table, Sequence[Row]]:
        return {ATTEMPT: change.after.attempts if change.after else ()}

    def derive(self, rebuilding: Rebuilding) -> None:
        """Delete attempts with a number that their task does not reach: no fold knows of them."""
        rebuilding.repair(_excess_attempts(), _delete_excess_attempts)


def _excess_attempts() -> Select[Any]:
    return select(ATTEMPT.c.account, ATTEMPT.c.key).where(_is_excess()).distinct()


def _delete_excess_attempts(connection: Connection, account: str, keys: list[str]) -> None:
    where = ATTEMPT.c.account == account, among(connection, ATTEMPT.c.key, keys)
    connection.execute(delete(ATTEMPT).where(*where, _is_excess()))


def _is_excess() -> ColumnElement[bool]:
    same = TASK.c.account == ATTEMPT.c.account, TASK.c.key == ATTEMPT.c.key
    return ~exists().where(*same, TASK.c.attempts >= ATTEMPT.c.number)


_JSON = ("lost",)
"""Columns of `task` that are read as JSON texts."""


def read_stored(columns: Sequence[str]) -> StoredTasks:
    """Return a reader of stored tasks: these columns of `task`, and all of `attempt`."""
    of_task = [f"CAST(task.{name} AS TEXT)" if name in _JSON else f"task.{name}" for name in columns]
    of_attempt = [f"attempt.{name}" for name in _ATTEMPT_COLUMNS[2:]]
    width = 1 + len(columns)
    # An attempt beyond the task's number of attempts is left out: it is in no sum.
    query = (
        f"SELECT task.key, {', '.join(of_task + of_attempt)} FROM task "  # noqa: S608 - our own names
        "LEFT JOIN attempt ON attempt.account = task.account AND attempt.key = task.key "
        "AND attempt.number <= task.attempts "
        "WHERE task.account = ? AND task.key IN ? ORDER BY task.key, attempt.number"
    )

    def read(connection: Connection, account: str, keys: Collection[str]) -> dict[str, TaskRows]:
        found: dict[str, TaskRows] = {}
        for key, group in groupby(run(connection, query, account, list(keys)).all(), key=itemgetter(0)):
            rows = list(group)
            attempts = [
                dict(zip(_ATTEMPT_COLUMNS, (account, key, *row[width:]), strict=True))
                for row in rows
                if row[width] is not None
            ]
            found[key] = TaskRows(dict(zip(columns, rows[0][1:width], strict=True)), attempts)
        return found

    return read


def has_tasks(connection: Connection, account: str, keys: Collection[str]) -> set[str]:
    """Return the keys under which a task is stored."""
    query = "SELECT key FROM task WHERE account = ? AND key IN ?"
    return set(run(connection, query, account, list(keys)).scalars())
