"""The whole ledger, some tasks at a time."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, exists, func, literal, select, tuple_

from receiver.ledger.tables import FACT, LINK
from receiver.storage.bulk import among

TASKS, FACTS = 500, 4_000
"""Maximum number of tasks in one part of the ledger, and of facts unless they are of a single task."""

Part = tuple[str, list[str]]
"""(account, keys) of tasks that are read, folded and written together."""

Place = tuple[str, str]
"""(account, ref or task id) of the last task that was read."""

START: Place = ("", "")

_SILENT = FACT.alias("silent")
"""Facts that name a task by the vendor's id only."""


def last_seq(connection: Connection) -> int:
    """Return the seq of the newest fact, or 0."""
    return connection.scalar(select(func.max(FACT.c.seq))) or 0


def by_ref(after: Place, last: int) -> Select[Any]:
    """Return the query for the next tasks with a ref: account, ref, key, number of facts up to seq `last`."""
    place = FACT.c.account, FACT.c.ref
    ids = select(LINK.c.task_id).where(LINK.c.account == FACT.c.account, LINK.c.ref == FACT.c.ref)
    mine = _SILENT.c.account == FACT.c.account, _SILENT.c.ref.is_(None)
    # Not as a join, since SQLite would begin that with all silent facts of the account.
    linked = select(func.count()).where(*mine, _SILENT.c.task_id.in_(ids.correlate(FACT)))
    count = func.count() + linked.correlate(FACT).scalar_subquery()
    columns = *place, FACT.c.ref.label("key"), count.label("facts")
    return _page(select(*columns).where(FACT.c.ref.isnot(None), FACT.c.seq <= last), place, after)


def by_task_id(after: Place, last: int) -> Select[Any]:
    """Return the query for the next tasks without a ref: account, task id, key, number of facts."""
    place = FACT.c.account, FACT.c.task_id
    columns = *place, ("#" + FACT.c.task_id).label("key"), func.count().label("facts")
    mine = FACT.c.task_id.isnot(None), FACT.c.ref.is_(None), ~_link_of_fact(), FACT.c.seq <= last
    return _page(select(*columns).where(*mine), place, after)


def _page(query: Select[Any], place: tuple[ColumnElement[Any], ...], after: Place) -> Select[Any]:
    behind = tuple_(*place) > tuple_(*map(literal, after))
    return query.where(behind).group_by(*place).order_by(*place).limit(TASKS)


def _link_of_fact() -> ColumnElement[bool]:
    return exists().where(LINK.c.account == FACT.c.account, LINK.c.task_id == FACT.c.task_id)


def parts(page: Iterable[tuple[str, str, str, int]]) -> Iterator[Part]:
    """Cut a page of `by_ref` or `by_task_id` into parts of one account with a bounded number of facts."""
    part_account, keys, held = "", list[str](), 0
    for account, _, key, facts in page:
        if keys and (account != part_account or held + facts > FACTS):
            yield part_account, keys
            keys, held = [], 0
        part_account, held = account, held + facts
        keys.append(key)
    if keys:
        yield part_account, keys


def without_facts(table: Table) -> Select[Any]:
    """Return the query for rows of a table of tasks about which the ledger has no fact: account, key."""
    by_ref = exists().where(FACT.c.account == table.c.account, FACT.c.ref == table.c.key)
    same = and_(FACT.c.account == table.c.account, FACT.c.task_id == func.substr(table.c.key, 2))
    by_id = exists().where(
        func.substr(table.c.key, 1, 1) == "#", same, FACT.c.ref.is_(None), ~_link_of_fact()
    )
    return select(table.c.account, table.c.key).where(~by_ref, ~by_id)


def still_without_facts(
    connection: Connection, account: str, keys: Sequence[str], tables: Iterable[Table]
) -> set[str]:
    """Return those of the keys under which a table has rows, and the ledger has no fact."""
    found: set[str] = set()
    for table in tables:
        where = table.c.account == account, among(connection, table.c.key, keys)
        found.update(row.key for row in connection.execute(without_facts(table).where(*where)))
    return found
