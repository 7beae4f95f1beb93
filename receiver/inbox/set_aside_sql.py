"""SQL of hooks that could not be read: stored as they came, retried after growing pauses and at each
start.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import Connection, Row, Select, Subquery, case, delete, func, literal, null, select, update

from receiver.domain.hook_values import storable
from receiver.inbox.reading import Unread
from receiver.inbox.tables import SET_ASIDE
from receiver.ledger.problems import retry_at
from receiver.ledger.tables import DIRTY_TASK
from receiver.storage.engine import Store

Kind = Literal["hook", "task"]
KINDS: tuple[Kind, ...] = get_args(Kind)

AT_ONCE = 500
"""Number of hooks that are made due in one transaction."""


def add(connection: Connection, unread: Iterable[Unread], now: float) -> None:
    """Store hooks that could not be read, with names that every store accepts: a name may be the cause."""
    rows = [
        {
            "id": storable(item.id),
            "account": storable(item.hook.account) if item.hook else None,
            "event": storable(item.hook.event) if item.hook else None,
            "ref": storable(item.hook.ref) if item.hook and item.hook.ref else None,
            "at": item.at,
            "count": item.count,
            "batch": item.document,
            "failures": 1,
            "retry_at": retry_at(now, 1),
            "problem": item.problem,
        }
        for item in unread
    ]
    for row in rows:
        connection.execute(delete(SET_ASIDE).where(SET_ASIDE.c.id == row["id"]))
        connection.execute(SET_ASIDE.insert(), row)


def due(connection: Connection, now: float, most: int) -> Sequence[Row[Any]]:
    """Return hooks that are due for a retry, with id, at, hooks, batch and failures."""
    columns = (SET_ASIDE.c[name] for name in ("id", "at", "batch", "failures"))
    query = (
        select(*columns, SET_ASIDE.c["count"].label("hooks"))
        .where(SET_ASIDE.c.retry_at <= now)
        .order_by(SET_ASIDE.c.retry_at)
        .limit(most)
    )
    return list(connection.execute(query))


def take(connection: Connection, name: str) -> bool:
    """Lock a hook until the transaction ends. Return False if another receiver has locked or read it."""
    query = select(SET_ASIDE.c.id).where(SET_ASIDE.c.id == name).with_for_update(skip_locked=True)
    return connection.execute(query).first() is not None


def done(connection: Connection, name: str) -> None:
    """Delete a hook that was read."""
    connection.execute(delete(SET_ASIDE).where(SET_ASIDE.c.id == name))


def failed_again(connection: Connection, row: Row[Any], problem: str, now: float) -> None:
    """Postpone a hook that could not be read again."""
    failures = row.failures + 1
    values = {"failures": failures, "retry_at": retry_at(now, failures), "problem": problem}
    connection.execute(update(SET_ASIDE).where(SET_ASIDE.c.id == row.id).values(**values))


async def retry_all(store: Store) -> None:
    """Make all hooks due now, some in each transaction: on SQLite new hooks wait for it."""
    after: str | None = ""
    while after is not None:
        after = await store.write(partial(_retry_some, after=after, most=AT_ONCE))


def _retry_some(connection: Connection, after: str, most: int) -> str | None:
    """Make the first `most` hooks behind the id `after` due now. Return the last one's id, or None if there
    are no more.
    """
    query = select(SET_ASIDE.c.id).where(SET_ASIDE.c.id > after).order_by(SET_ASIDE.c.id).limit(most)
    ids = connection.scalars(query).all()
    if ids:
        these = SET_ASIDE.c.id.between(ids[0], ids[-1])
        connection.execute(update(SET_ASIDE).where(these, SET_ASIDE.c.retry_at > 0).values(retry_at=0.0))
    return ids[-1] if len(ids) == most else None


class Counts(NamedTuple):
    """Number of set-aside hooks and tasks."""

    hooks: int
    tasks: int


def totals(account: str | None = None, kind: Kind | None = None) -> Select[Any]:
    """Select (kind, number of hooks or tasks); a kind without any has no row."""
    number = func.sum(func.coalesce(LISTED.c.hooks, 1))
    return listed(account, kind).with_only_columns(LISTED.c.kind, number).group_by(LISTED.c.kind)


def counts(connection: Connection) -> Counts:
    """Count the hooks and tasks that are set aside."""
    found: dict[str, int] = dict(connection.execute(totals()).all())
    return Counts(found.get("hook", 0), found.get("task", 0))


def listed(account: str | None = None, kind: Kind | None = None) -> Select[Any]:
    """Select hooks and tasks that are set aside, of an account or kind if given, with the columns of
    `LISTED`.
    """
    query = select(LISTED)
    if account is not None:
        query = query.where(LISTED.c.account == account)
    return query if kind is None else query.where(LISTED.c.kind == kind)


def _all() -> Subquery:
    hooks = select(
        literal("hook").label("kind"),
        SET_ASIDE.c.id,
        SET_ASIDE.c.account,
        func.coalesce(SET_ASIDE.c.account, "").label("owner"),
        SET_ASIDE.c.event,
        SET_ASIDE.c.ref,
        SET_ASIDE.c["at"].label("since"),
        SET_ASIDE.c["count"].label("hooks"),
        SET_ASIDE.c.failures,
        SET_ASIDE.c.retry_at,
        SET_ASIDE.c.problem,
    )
    name = DIRTY_TASK.c.name
    tasks = select(
        literal("task"),
        name,
        DIRTY_TASK.c.account,
        DIRTY_TASK.c.account,
        null(),
        case((name.startswith("#"), null()), else_=name),
        DIRTY_TASK.c.since,
        null(),
        DIRTY_TASK.c.failures,
        DIRTY_TASK.c.retry_at,
        DIRTY_TASK.c.problem,
    ).where(DIRTY_TASK.c.failures > 0)
    return hooks.union_all(tasks).subquery("listed")


LISTED = _all()
"""Hooks and tasks that are set aside. `id`: of a hook as in `set_aside`, of a task its name in `dirty_task`;
`owner`: the account, or an empty text; `hooks`: null for a task; `retry_at`: 0 if it is tried again now.
"""
