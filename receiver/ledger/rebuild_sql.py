"""The whole ledger, some tasks at a time, and what is derived from it that no fact bears out."""

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    delete,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
    union_all,
)

from receiver.domain.facts import QueueSaid
from receiver.ledger import fact_sql
from receiver.ledger.fact_rows import read_fact
from receiver.ledger.tables import FACT, LINK
from receiver.storage.bulk import among
from receiver.tasks import task_sql
from receiver.tasks.rows import queue_row
from receiver.tasks.tables import ATTEMPT, FINDING, QUEUE, TASK

TASKS, FACTS = 500, 4_000
"""One part of the ledger: at most so many tasks, and so many facts or those of a single task."""

Part = tuple[str, list[str]]
"""(account, keys): tasks that are read, folded and written together."""

Place = tuple[str, str]
"""(account, ref or task id): how far a reading has come."""

START: Place = ("", "")

OF_TASKS = (TASK, FINDING, ATTEMPT)
"""The tables whose rows belong to tasks."""

_SILENT = FACT.alias("silent")
"""Facts in the role of those that name a task by the vendor's id only."""


def last_seq(connection: Connection) -> int:
    """The seq of the newest fact."""
    return connection.scalar(select(func.max(FACT.c.seq))) or 0


def by_ref(after: Place, last: int) -> Select[Any]:
    """The next tasks with a ref and facts up to `last`: account, ref, key, how many facts there are."""
    place = FACT.c.account, FACT.c.ref
    ids = select(LINK.c.task_id).where(LINK.c.account == FACT.c.account, LINK.c.ref == FACT.c.ref)
    mine = _SILENT.c.account == FACT.c.account, _SILENT.c.ref.is_(None)
    # Not as a join, since SQLite would begin that with all silent facts of the account.
    linked = select(func.count()).where(*mine, _SILENT.c.task_id.in_(ids.correlate(FACT)))
    count = func.count() + linked.correlate(FACT).scalar_subquery()
    columns = *place, FACT.c.ref.label("key"), count.label("facts")
    return _page(select(*columns).where(FACT.c.ref.isnot(None), FACT.c.seq <= last), place, after)


def by_task_id(after: Place, last: int) -> Select[Any]:
    """The next tasks without one: account, task id, key, how many facts there are."""
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
    """Tasks of `by_ref` or `by_task_id`, cut where the account changes and where facts become too many."""
    mine, keys, held = "", list[str](), 0
    for account, _, key, facts in page:
        if keys and (account != mine or held + facts > FACTS):
            yield mine, keys
            keys, held = [], 0
        mine, held = account, held + facts
        keys.append(key)
    if keys:
        yield mine, keys


def odd_links() -> Select[Any]:
    """Links that the ledger does not bear out: account, task id, the ref that is there, the right one."""
    first = _first_links().subquery()
    same = and_(LINK.c.account == first.c.account, LINK.c.task_id == first.c.task_id)
    wrong = (
        select(first.c.account, first.c.task_id, LINK.c.ref.label("live"), first.c.ref.label("rebuilt"))
        .select_from(first.join(LINK, same, isouter=True))
        .where(or_(LINK.c.ref.is_(None), LINK.c.ref != first.c.ref))
    )
    theirs = and_(FACT.c.account == LINK.c.account, FACT.c.task_id == LINK.c.task_id, FACT.c.ref.isnot(None))
    excess = select(LINK.c.account, LINK.c.task_id, LINK.c.ref, null()).where(~exists().where(theirs))
    return select(union_all(wrong, excess).subquery())


def _first_links() -> Select[Any]:
    """Of each task id the earliest fact that named a ref as well."""
    both = FACT.c.ref.isnot(None), FACT.c.task_id.isnot(None)
    earliest = select(func.min(FACT.c.seq)).where(*both).group_by(FACT.c.account, FACT.c.task_id)
    return select(FACT.c.account, FACT.c.task_id, FACT.c.ref).where(FACT.c.seq.in_(earliest))


def derive_links(connection: Connection, account: str, task_ids: Iterable[str]) -> None:
    """Write the links of these task ids anew."""
    wanted = list(task_ids)
    connection.execute(
        delete(LINK).where(LINK.c.account == account, among(connection, LINK.c.task_id, wanted))
    )
    query = select(FACT.c.account, FACT.c.ref, FACT.c.task_id, FACT.c.seq).where(FACT.c.account == account)
    # Those without a ref are left out below: for such a condition SQLite would read all that have one.
    rows = connection.execute(query.where(among(connection, FACT.c.task_id, wanted))).all()
    first: dict[str, fact_sql.Subject] = {}
    for *subject, _ in sorted((row for row in rows if row.ref), key=attrgetter("seq")):
        first.setdefault(subject[-1], fact_sql.Subject(*subject))
    fact_sql.add_links(connection, first.values())


def queues(connection: Connection) -> dict[tuple[str, str], dict[str, Any]]:
    """(account, queue id) → the row of `queue` that the ledger bears out."""
    query = select(*fact_sql.FACT_COLUMNS).where(FACT.c.kind == "queue").order_by(FACT.c.at, FACT.c.seq)
    rows = {}
    for fact in map(read_fact, connection.execute(query)):
        if isinstance(fact.said, QueueSaid):
            rows[fact.account, fact.said.queue_id] = queue_row(fact.account, fact.at, fact.said)
    return rows


def derive_queues(connection: Connection) -> None:
    """Write all queues anew."""
    connection.execute(delete(QUEUE))
    task_sql.put_queues(connection, list(queues(connection).values()))


def without_facts(table: Table) -> Select[Any]:
    """Rows of one of OF_TASKS about which the ledger holds no fact: account, key."""
    by_ref = exists().where(FACT.c.account == table.c.account, FACT.c.ref == table.c.key)
    same = and_(FACT.c.account == table.c.account, FACT.c.task_id == func.substr(table.c.key, 2))
    by_id = exists().where(
        func.substr(table.c.key, 1, 1) == "#", same, FACT.c.ref.is_(None), ~_link_of_fact()
    )
    return select(table.c.account, table.c.key).where(~by_ref, ~by_id)


def drop_without_facts(connection: Connection, account: str, keys: Iterable[str]) -> None:
    """Take away those of the tasks about which the ledger holds no fact."""
    wanted = list(keys)
    odd = set[str]()
    for table in OF_TASKS:
        mine = table.c.account == account, among(connection, table.c.key, wanted)
        odd.update(row.key for row in connection.execute(without_facts(table).where(*mine)))
    task_sql.drop_tasks(connection, account, odd)


def excess_attempts() -> Select[Any]:
    """Attempts that are more than their task has made: account, key."""
    return select(ATTEMPT.c.account, ATTEMPT.c.key).where(_is_excess()).distinct()


def drop_excess_attempts(connection: Connection, account: str, keys: Iterable[str]) -> None:
    """Take away those of these tasks."""
    mine = ATTEMPT.c.account == account, among(connection, ATTEMPT.c.key, keys)
    connection.execute(delete(ATTEMPT).where(*mine, _is_excess()))


def _is_excess() -> ColumnElement[bool]:
    same = TASK.c.account == ATTEMPT.c.account, TASK.c.key == ATTEMPT.c.key
    return ~exists().where(*same, TASK.c.attempts >= ATTEMPT.c.number)
