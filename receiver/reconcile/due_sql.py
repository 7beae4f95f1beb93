"""Statements about due tasks: read them, and set when each is asked about again."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, func, or_, select, update

from receiver.domain.timeline import Purpose
from receiver.reconcile.tables import RECONCILE_PASS
from receiver.storage.bulk import among, write
from receiver.storage.locks import lock_folding
from receiver.tasks.tables import SWEEP, TASK

_COLUMNS = tuple(
    TASK.c[name]
    for name in (
        *("key", "ref", "task_id", "queue_id", "claimed_id", "try_count", "a_number"),
        *("due_at", "due_for", "ask_at", "asks"),
        *("first_at", "created_at", "hooks_expected", "hooks_arrived"),
    )
)


class Delay(NamedTuple):
    """When to ask next about the task of `row`, and how often it was asked about by then."""

    row: Row[Any]
    ask_at: float
    asks: int


def due_tasks(account: str, purpose: Purpose, horizon: float, limit: int) -> Select[Any]:
    """Select the first tasks of this purpose whose `ask_at` is not after `horizon`, soonest first."""
    come = (TASK.c.account == account, TASK.c.due_for == purpose, TASK.c.ask_at <= horizon)
    return select(*_COLUMNS).where(*come).order_by(TASK.c.ask_at).limit(limit)


def by_queue(tasks: Select[Any]) -> Select[Any]:
    """Select `queue_id` and the number of these `tasks` in it."""
    due = tasks.with_only_columns(TASK.c.queue_id).subquery("due")
    return select(due.c.queue_id, func.count().label("tasks")).group_by(due.c.queue_id)


def tasks_behind(account: str, key: str, horizons: Mapping[Purpose, float], limit: int) -> Select[Any]:
    """Select the first due tasks behind this key, in order of their keys.

    A reader that goes from key to key meets each task once, wherever its `ask_at` moves meanwhile.
    """
    come = [and_(TASK.c.due_for == purpose, TASK.c.ask_at <= at) for purpose, at in horizons.items()]
    behind = (TASK.c.account == account, TASK.c.key > key)
    return select(*_COLUMNS).where(*behind, or_(*come)).order_by(TASK.c.key).limit(limit)


def running_tasks(connection: Connection, account: str, task_ids: Collection[str]) -> Sequence[Row[Any]]:
    """Return the tasks with these ids that have not ended as far as the API has shown."""
    running = (TASK.c.account == account, TASK.c.due_for.in_(("progress", "confirm")))
    return connection.execute(
        select(*_COLUMNS).where(*running, among(connection, TASK.c.task_id, task_ids))
    ).all()


def claims(connection: Connection, account: str, task_ids: Collection[str]) -> dict[str, str]:
    """Return, by vendor's id, the ref of the one task that is known by hooks only and claims this id."""
    unlinked = (TASK.c.account == account, TASK.c.due_for.in_(("find", "confirm")), TASK.c.task_id.is_(None))
    claimed = (*unlinked, TASK.c.ref.is_not(None), among(connection, TASK.c.claimed_id, task_ids))
    found: dict[str, list[str]] = {}
    for task_id, ref in connection.execute(select(TASK.c.claimed_id, TASK.c.ref).where(*claimed)):
        found.setdefault(task_id, []).append(ref)
    return {task_id: refs[0] for task_id, refs in found.items() if len(refs) == 1}


def calls_to_settle(account: str, horizon: float, limit: int) -> Select[Any]:
    """Select the first tasks that wait for the record of a call and ended before `horizon`."""
    ended_at = func.coalesce(TASK.c.finished_at, TASK.c.last_at)
    waiting = (TASK.c.account == account, TASK.c.due_for == "call", TASK.c.settled.is_(False))
    return select(*_COLUMNS).where(*waiting, ended_at <= horizon).limit(limit)


def in_queue(queue_id: str) -> ColumnElement[bool]:
    """Match tasks of this queue."""
    return TASK.c.queue_id == queue_id


def not_in(queues: Collection[str]) -> ColumnElement[bool]:
    """Match tasks of no queue or any other."""
    return or_(TASK.c.queue_id.is_(None), TASK.c.queue_id.not_in(queues))


_DELAY = (
    update(TASK)
    .where(TASK.c.account == bindparam("of_account"), TASK.c.key == bindparam("of_key"))
    .where(TASK.c.due_at == bindparam("was_due_at"), TASK.c.due_for == bindparam("was_due_for"))
    .where(TASK.c.asks == bindparam("were_asks"))
    .values(ask_at=bindparam("next_ask_at"), asks=bindparam("next_asks"))
)


def delay(connection: Connection, account: str, delays: Sequence[Delay]) -> None:
    """Ask about these tasks later, unless a task was folded or asked about since its row was read."""
    # A fold writes the same rows in another order: without its lock both could wait for each other.
    lock_folding(connection)
    connection.execute(
        _DELAY,
        [
            {
                "of_account": account,
                "of_key": row.key,
                "was_due_at": row.due_at,
                "was_due_for": row.due_for,
                "were_asks": row.asks,
                "next_ask_at": ask_at,
                "next_asks": asks,
            }
            for row, ask_at, asks in delays
        ],
    )


def put_sweep(connection: Connection, row: Mapping[str, Any]) -> None:
    """Write the progress of a queue's sweep."""
    write(connection, SWEEP, "put", [row])


def put_pass(connection: Connection, row: Mapping[str, Any]) -> None:
    """Write the state after a pass."""
    write(connection, RECONCILE_PASS, "put", [row])


def last_passes(account: str) -> Select[Any]:
    """Select the last pass of each worker over an account."""
    return select(RECONCILE_PASS).where(RECONCILE_PASS.c.account == account).order_by(RECONCILE_PASS.c.part)
