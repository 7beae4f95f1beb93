"""Everything derived can be rebuilt: replay the ledger, over the live tables or beside them to compare."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from receiver.domain.facts import QueueSaid
from receiver.domain.fold import fold
from receiver.store import statements
from receiver.store.engine import Store
from receiver.store.rows import finding_rows, queue_row, task_row
from receiver.store.tables import FINDING, LINK, QUEUE, TASK

Progress = Callable[[int], None]
"""Told now and then how many tasks are done."""

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that the ledger does not bear out. `columns`: name → (live, rebuilt), where both have the row."""

    table: str
    key: str
    problem: str
    columns: dict[str, tuple[Any, Any]]


def rebuild(store: Store, progress: Progress = lambda _: None) -> int:
    """Empty the derived tables and fill them from the ledger, in one transaction. The number of tasks."""
    with store.transaction() as connection:
        statements.lock_folding(connection)
        statements.clear_derived(connection)
        statements.derive_links(connection)
        for fact in list(statements.queue_facts(connection)):
            if isinstance(fact.said, QueueSaid):
                statements.put_queues(connection, [queue_row(fact.account, fact.at, fact.said)])
        done = 0
        tasks = statements.all_tasks_facts(connection)
        while batch := [fold(facts) for _, facts in islice(tasks, _BATCH)]:
            statements.put_tasks(connection, batch)
            done += len(batch)
            progress(done)
        return done


def verify(store: Store, progress: Progress = lambda _: None) -> list[Difference]:
    """What differs between the live derived tables and the ledger replayed; nothing is written."""
    with store.snapshot() as connection:
        return [
            *_compare_links(connection),
            *_compare_queues(connection),
            *_compare_tasks(connection, progress),
        ]


def _compare_links(connection: Connection) -> Iterator[Difference]:
    links = connection.execute(statements.first_links())
    rebuilt = {(row.account, row.task_id): {"ref": row.ref} for row in links}
    live = {(row.account, row.task_id): row for row in connection.execute(select(LINK))}
    yield from _compare(LINK, live, rebuilt)


def _compare_queues(connection: Connection) -> Iterator[Difference]:
    rebuilt = {}
    for fact in sorted(statements.queue_facts(connection), key=lambda fact: fact.at):
        if isinstance(fact.said, QueueSaid):
            rebuilt[fact.account, fact.said.queue_id] = queue_row(fact.account, fact.at, fact.said)
    live = {(row.account, row.queue_id): row for row in connection.execute(select(QUEUE))}
    yield from _compare(QUEUE, live, rebuilt)


def _compare_tasks(connection: Connection, progress: Progress) -> Iterator[Difference]:
    """Task by task, so that memory does not grow with the ledger; what is left over has no facts."""
    done = 0
    tasks = statements.all_tasks_facts(connection)
    while batch := [fold(facts) for _, facts in islice(tasks, _BATCH)]:
        for account in {timeline.account for timeline in batch}:
            mine = {timeline.key: timeline for timeline in batch if timeline.account == account}
            rows = statements.task_rows(connection, account, mine)
            live = {(account, key): row for key, row in rows.items()}
            yield from _compare(TASK, live, {(account, key): task_row(each) for key, each in mine.items()})
            findings = {
                _finding_key(row): row for row in statements.finding_rows_of(connection, account, mine)
            }
            wanted = {_finding_key(row): row for each in mine.values() for row in finding_rows(each)}
            yield from _compare(FINDING, findings, wanted)
        done += len(batch)
        progress(done)
    for table in (TASK, FINDING):
        for row in connection.execute(statements.without_facts(table)):
            yield Difference(table.name, f"{row.account}/{row.key}", "no facts bear this out", {})


def _finding_key(row: Any) -> tuple[str, ...]:
    values = row if isinstance(row, dict) else row._mapping
    return tuple(values[name] for name in ("account", "key", "category", "kind"))


def _compare(
    table: Table, live: dict[Any, Row[Any]], rebuilt: dict[Any, dict[str, Any]]
) -> Iterator[Difference]:
    for key in sorted(live.keys() | rebuilt.keys()):
        name = "/".join(key)
        if key not in live:
            yield Difference(table.name, name, "missing", {})
        elif key not in rebuilt:
            yield Difference(table.name, name, "not borne out by the ledger", {})
        else:
            values = live[key]._mapping
            odd = {
                column: (values[column], want)
                for column, want in rebuilt[key].items()
                if values[column] != want
            }
            if odd:
                yield Difference(table.name, name, "differs", odd)
