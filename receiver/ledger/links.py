"""Links: which ref a vendor's task id belongs to, as soon as one fact names both.

The projector adds links before it folds, since they decide which facts are about which task.
"""

from collections import Counter
from collections.abc import Collection, Iterable
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
    null,
    or_,
    select,
    union_all,
)

from receiver.ledger.fact_sql import Subject, insert_into
from receiver.ledger.projections import DerivedProjection, Difference, FoldBatch, Rebuilding, compare_rows
from receiver.ledger.tables import FACT, LINK
from receiver.storage.bulk import among, run


def add_links(connection: Connection, subjects: Iterable[Subject]) -> None:
    """Add links; the first fact that named both a ref and a task id decides."""
    rows = [
        {"account": account, "task_id": task_id, "ref": ref}
        for account, ref, task_id in subjects
        if ref and task_id
    ]
    if rows:
        connection.execute(insert_into(connection, LINK).on_conflict_do_nothing(), rows)


def find_links(connection: Connection, account: str, task_ids: Collection[str]) -> dict[str, str]:
    """Return task id → ref of the linked ones."""
    if not task_ids:
        return {}
    query = "SELECT task_id, ref FROM link WHERE account = ? AND task_id IN ?"
    return dict(iter(run(connection, query, account, list(task_ids))))


class Links(DerivedProjection):
    """The table `link`."""

    def apply(self, connection: Connection, batch: FoldBatch) -> None:
        """Write nothing: the projector has added the links already."""

    def rows_of(
        self, connection: Connection, account: str, keys: Collection[str]
    ) -> list[tuple[Table, ColumnElement[bool]]]:
        return [(LINK, and_(LINK.c.account == account, among(connection, LINK.c.ref, keys)))]

    def retire(self, connection: Connection, batch: FoldBatch) -> Counter[str]:
        """Delete the tasks' links. If a later fact links the same id to another ref, that link holds now."""
        ((_, where),) = self.rows_of(connection, batch.account, batch.keys)
        task_ids = list(connection.scalars(delete(LINK).where(where).returning(LINK.c.task_id)))
        _add_first_links(connection, batch.account, task_ids)
        return Counter({LINK.name: len(task_ids)})

    def derive(self, rebuilding: Rebuilding) -> None:
        rebuilding.repair(wrong_links(), derive_links)

    def differences(self, connection: Connection) -> Iterable[Difference]:
        query = wrong_links().order_by("account", "task_id")
        for account, task_id, live, rebuilt in connection.execute(query).all():
            row = {"account": account, "task_id": task_id}
            yield from compare_rows(
                LINK, [row | {"ref": live}] if live else [], [row | {"ref": rebuilt}] if rebuilt else []
            )


def wrong_links() -> Select[Any]:
    """Return the query for wrong links: account, task id, live ref, right ref."""
    first = _first_links().subquery()
    same = and_(LINK.c.account == first.c.account, LINK.c.task_id == first.c.task_id)
    wrong = (
        select(first.c.account, first.c.task_id, LINK.c.ref.label("live"), first.c.ref.label("rebuilt"))
        .select_from(first.join(LINK, same, isouter=True))
        .where(or_(LINK.c.ref.is_(None), LINK.c.ref != first.c.ref))
    )
    same = and_(FACT.c.account == LINK.c.account, FACT.c.task_id == LINK.c.task_id)
    with_both = and_(same, FACT.c.ref.isnot(None))
    excess = select(LINK.c.account, LINK.c.task_id, LINK.c.ref, null()).where(~exists().where(with_both))
    return select(union_all(wrong, excess).subquery())


def _first_links() -> Select[Any]:
    """Return the query for the earliest fact of each task id that named a ref as well."""
    both = FACT.c.ref.isnot(None), FACT.c.task_id.isnot(None)
    earliest = select(func.min(FACT.c.seq)).where(*both).group_by(FACT.c.account, FACT.c.task_id)
    return select(FACT.c.account, FACT.c.task_id, FACT.c.ref).where(FACT.c.seq.in_(earliest))


def derive_links(connection: Connection, account: str, task_ids: list[str]) -> None:
    """Write the links of these task ids again."""
    where = LINK.c.account == account, among(connection, LINK.c.task_id, task_ids)
    connection.execute(delete(LINK).where(*where))
    _add_first_links(connection, account, task_ids)


def _add_first_links(connection: Connection, account: str, task_ids: list[str]) -> None:
    """Link each task id to the ref of the earliest fact that named both."""
    if not task_ids:
        return
    query = select(FACT.c.account, FACT.c.ref, FACT.c.task_id, FACT.c.seq).where(FACT.c.account == account)
    # Facts without a ref are left out below: for that condition SQLite would read all facts with one.
    rows = connection.execute(query.where(among(connection, FACT.c.task_id, task_ids))).all()
    first: dict[str, Subject] = {}
    for row in sorted((row for row in rows if row.ref), key=attrgetter("seq")):
        first.setdefault(row.task_id, Subject(account, row.ref, row.task_id))
    add_links(connection, first.values())
