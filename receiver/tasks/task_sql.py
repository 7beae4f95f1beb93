"""Statements that read and write tasks, attempts and findings."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from receiver.analytics.rollups import Counted, Deltas, counted_of, drop_attempts, put_attempts, standard
from receiver.domain.timeline import Timeline
from receiver.ledger.fact_sql import insert_into
from receiver.storage.bulk import among, run, write
from receiver.tasks.rows import attempt_rows, finding_rows, new_task_row
from receiver.tasks.tables import FINDING, QUEUE, TASK
from receiver.tasks.task_counts import TaskCounts


class Known(NamedTuple):
    """How a task is known already. `late`: hooks that came after it was settled; `crowding`: see `Timeline`;
    `lost_hooks`: their number; `lost`: the same by event, as JSON.
    """

    state: str
    confidence: str
    settled: bool
    late: int
    crowding: int = 0
    lost_hooks: int = 0
    lost: str = "{}"


def known_tasks(connection: Connection, account: str, keys: Collection[str]) -> dict[str, Known]:
    """Key → how it is known, for those tasks that there are."""
    rows = run(connection, _KNOWN, account, list(keys))
    return {
        key: Known(state, confidence, bool(settled), *more) for key, state, confidence, settled, *more in rows
    }


_KNOWN = (
    "SELECT key, state, confidence, settled, hooks_late, crowding, hooks_lost, CAST(lost AS TEXT) "
    "FROM task WHERE account = ? AND key IN ?"
)


def task_rows(connection: Connection, account: str, keys: Collection[str]) -> dict[str, Row[Any]]:
    """Key → the task's row, for those that there are."""
    query = select(TASK).where(TASK.c.account == account, among(connection, TASK.c.key, keys))
    return {row.key: row for row in connection.execute(query)}


def finding_rows_of(connection: Connection, account: str, keys: Collection[str]) -> list[Row[Any]]:
    """The findings of these tasks."""
    query = select(FINDING).where(FINDING.c.account == account, among(connection, FINDING.c.key, keys))
    return list(connection.execute(query))


def drop_tasks(connection: Connection, account: str, keys: Collection[str]) -> None:
    """Take away tasks, with what they add to the sums."""
    if keys:
        deltas, changes = Deltas(standard(connection)), TaskCounts()
        for counted in counted_of(connection, account, keys).values():
            deltas.add(account, counted, -1)
            changes.add_task(account, counted.task, -1)
        deltas.write(connection)
        drop_attempts(connection, account, keys)
        run(connection, "DELETE FROM task WHERE account = ? AND key IN ?", account, list(keys))
        drop_findings(connection, account, keys, changes)
        changes.write(connection)


def drop_findings(connection: Connection, account: str, keys: Iterable[str], changes: TaskCounts) -> int:
    """Take away the findings of these tasks, and from the counts; how many rows there were."""
    query = "DELETE FROM finding WHERE account = ? AND key IN ? RETURNING category, kind, count"
    rows = run(connection, query, account, list(keys)).all()
    for category, kind, count in rows:
        changes.add_finding(account, category, kind, -count)
    return len(rows)


def put_tasks(connection: Connection, timelines: Sequence[Timeline]) -> None:
    """Write folded tasks, their attempts and findings over what was there, and keep the sums."""
    by_account: dict[str, dict[str, Timeline]] = defaultdict(dict)
    for timeline in timelines:
        by_account[timeline.account][timeline.key] = timeline
    deltas, changes = Deltas(standard(connection)), TaskCounts()
    for account, mine in by_account.items():
        _put_tasks(connection, account, mine, deltas, changes)
    deltas.write(connection)
    findings = [row for timeline in timelines for row in finding_rows(timeline)]
    for row in findings:
        changes.add_finding(row["account"], row["category"], row["kind"], row["count"])
    write(connection, FINDING, "add", findings)
    changes.write(connection)


def _put_tasks(
    connection: Connection,
    account: str,
    timelines: Mapping[str, Timeline],
    deltas: Deltas,
    changes: TaskCounts,
) -> None:
    before = counted_of(connection, account, timelines)
    after = {
        key: Counted(new_task_row(timeline), attempt_rows(timeline)) for key, timeline in timelines.items()
    }
    for key, counted in after.items():
        was = before.get(key)
        deltas.change(account, was, counted)
        changes.change_task(account, was and was.task, counted.task)
    write(connection, TASK, "put", [counted.task for counted in after.values()])
    put_attempts(connection, account, before, after)
    drop_findings(connection, account, timelines, changes)


def put_queues(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what was said of queues, unless something later is known."""
    for row in rows:
        statement = insert_into(connection, QUEUE).values(**row)
        newer = QUEUE.c.observed_at < statement.excluded.observed_at
        changes = {
            column.name: statement.excluded[column.name] for column in QUEUE.c if not column.primary_key
        }
        connection.execute(
            statement.on_conflict_do_update(index_elements=["account", "queue_id"], set_=changes, where=newer)
        )
