"""Everything derived can be rebuilt: replay the ledger, over the live tables or beside them to compare.

Both go through the ledger some tasks at a time. A rebuild reads and folds without holding up anybody, then
writes in a short transaction over what is there: so it may run beside a service, or break off anywhere, and
the tables are never without a row that was in them and belongs there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table, select

from receiver.analytics.rollup_check import TABLES, kept, left, scratch, spill, take_away_kept
from receiver.analytics.rollup_parts import COUNTS
from receiver.analytics.rollup_repair import recount
from receiver.analytics.rollups import Counted, Deltas, counted_of, standard
from receiver.domain.fold import Fold, fold
from receiver.domain.timeline import FROZEN, Timeline
from receiver.ledger import dirty, fact_sql, rebuild_sql, task_names
from receiver.ledger.tables import LINK
from receiver.storage import locks
from receiver.storage.bulk import among
from receiver.storage.engine import Store
from receiver.tasks import task_counts, task_sql
from receiver.tasks.rows import attempt_rows, finding_rows, task_row
from receiver.tasks.tables import ATTEMPT, FINDING, QUEUE, TASK, TASK_COUNT

Progress = Callable[[int], None]
"""Told now and then how many tasks are done."""

Values = Mapping[Any, Any]
"""A row: column → value."""

Mend = Callable[[Connection, str, list[str]], None]
"""What puts right what is derived of an account's tasks, called by their keys or ids."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that the ledger does not bear out. `columns`: name → (live, rebuilt), where both have the row."""

    table: str
    key: str
    problem: str
    columns: dict[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`to_fold`: tasks that are not compared, since facts about them are still to be folded."""

    differences: list[Difference]
    to_fold: int


def rebuild(store: Store, progress: Progress = lambda _: None, fold: Fold = fold) -> int:
    """Derive everything from the ledger again, beside a service if there is one. The number of tasks."""
    _mend_links(store)
    _mend_queues(store)
    done = 0
    for account, keys in _parts(store.snapshot):
        done += _fold_again(store, account, keys, fold)
        progress(done)
    _drop_without_facts(store)
    _drop_excess_attempts(store)
    recount(store)
    return done


def _parts(reading: Callable[[], AbstractContextManager[Connection]]) -> Iterator[rebuild_sql.Part]:
    """All tasks of which there is a fact by now; those of later facts would be a chase after the service."""
    with reading() as connection:
        last = rebuild_sql.last_seq(connection)
    for following in (rebuild_sql.by_ref, rebuild_sql.by_task_id):
        place = rebuild_sql.START
        while True:
            with reading() as connection:
                page = connection.execute(following(place, last)).all()
            if not page:
                break
            yield from rebuild_sql.parts(page)
            place = page[-1][0], page[-1][1]


def _fold_again(store: Store, account: str, keys: list[str], fold: Fold) -> int:
    """Fold these tasks and write them over what is there. How many of them are tasks still."""
    with store.snapshot() as connection:
        read = fact_sql.facts_of(connection, account, keys)
    timelines = {key: fold(facts) for key, facts in read.items()}
    with store.transaction() as connection:
        locks.lock_folding(connection)
        mine = _not_linked(connection, account, keys)
        # Marks of dirty tasks are left: these are folded once more, with what came meanwhile.
        frozen = [key for key in mine if key in timelines and timelines[key].crowding == FROZEN]
        # Facts are only ever added: where there are as many as were read, they are the same.
        counts = fact_sql.count_facts(connection, account, set(mine).difference(frozen))
        changed = [key for key, count in counts.items() if count != len(read.get(key, ()))]
        timelines |= _folded(connection, account, changed, fold)
        there = [*counts, *task_names.have_facts(connection, account, frozen)]
        task_sql.put_tasks(connection, [timelines[key] for key in there])
    return len(there)


def _not_linked(connection: Connection, account: str, keys: list[str]) -> list[str]:
    """The tasks without those of which a ref has become known since their keys were read."""
    task_ids = [key[1:] for key in keys if key.startswith("#")]
    linked = {f"#{task_id}" for task_id in fact_sql.find_links(connection, account, task_ids)}
    return [key for key in keys if key not in linked]


def _folded(connection: Connection, account: str, keys: list[str], fold: Fold) -> dict[str, Timeline]:
    found = fact_sql.facts_of(connection, account, keys) if keys else {}
    return {key: fold(facts) for key, facts in found.items()}


def _mend_links(store: Store) -> None:
    with store.snapshot() as connection:
        odd = [(row.account, row.task_id) for row in connection.execute(rebuild_sql.odd_links())]
    _mend(store, odd, rebuild_sql.derive_links)


def _mend_queues(store: Store) -> None:
    with store.snapshot() as connection:
        if not any(_compare_queues(connection)):
            return
    with store.transaction() as connection:
        locks.lock_folding(connection)
        rebuild_sql.derive_queues(connection)


def _drop_without_facts(store: Store) -> None:
    with store.snapshot() as connection:
        queries = map(rebuild_sql.without_facts, rebuild_sql.OF_TASKS)
        odd = {(row.account, row.key) for query in queries for row in connection.execute(query)}
    _mend(store, odd, rebuild_sql.drop_without_facts)


def _drop_excess_attempts(store: Store) -> None:
    with store.snapshot() as connection:
        odd = [(row.account, row.key) for row in connection.execute(rebuild_sql.excess_attempts())]
    _mend(store, odd, rebuild_sql.drop_excess_attempts)


def _mend(store: Store, odd: Iterable[tuple[str, str]], mend: Mend) -> None:
    """In short transactions, each of which looks again: what was odd may have been mended since."""
    for account, rows in groupby(sorted(odd), key=itemgetter(0)):
        names = [name for _, name in rows]
        for start in range(0, len(names), rebuild_sql.TASKS):
            with store.transaction() as connection:
                locks.lock_folding(connection)
                mend(connection, account, names[start : start + rebuild_sql.TASKS])


def verify(store: Store, progress: Progress = lambda _: None, fold: Fold = fold) -> Comparison:
    """What differs between the live derived tables and the ledger replayed, both at one moment."""
    with store.snapshot() as connection, scratch() as into:
        deltas = Deltas(standard(connection))
        differences = [*_compare_links(connection), *_compare_queues(connection)]
        done = to_fold = 0
        for account, keys in _parts(lambda: nullcontext(connection)):
            waiting = _dirty(connection, account, keys)
            timelines = _folded(connection, account, [key for key in keys if key not in waiting], fold)
            differences += _compare_tasks(connection, account, timelines)
            _count(connection, account, timelines, deltas)
            for counted in counted_of(connection, account, waiting).values():
                deltas.add(account, counted)
            spill(deltas, into)
            to_fold += len(waiting)
            done += len(keys)
            progress(done)
        differences += _compare_without_facts(connection)
        spill(deltas, into, all_of_it=True)
        take_away_kept(connection, into)
        differences += _compare_sums(connection, into)
        differences += _compare_counts(connection)
    return Comparison(differences, to_fold)


def _dirty(connection: Connection, account: str, keys: list[str]) -> set[str]:
    """The tasks about which there are facts that their timelines do not hold yet."""
    refs, task_ids = fact_sql.names_of(connection, account, keys)
    key_of = refs | {f"#{task_id}": key for task_id, key in task_ids.items()}
    return {key_of[name] for name in dirty.among(connection, account, list(key_of))}


def _compare_links(connection: Connection) -> Iterator[Difference]:
    for row in connection.execute(rebuild_sql.odd_links().order_by("account", "task_id")):
        live = {"ref": row.live} if row.live is not None else None
        rebuilt = {"ref": row.rebuilt} if row.rebuilt is not None else None
        yield from _compare(LINK, (row.account, row.task_id), live, rebuilt)


def _compare_queues(connection: Connection) -> Iterator[Difference]:
    live = {(row.account, row.queue_id): row._mapping for row in connection.execute(select(QUEUE))}
    rebuilt = rebuild_sql.queues(connection)
    for key in sorted(live.keys() | rebuilt.keys()):
        yield from _compare(QUEUE, key, live.get(key), rebuilt.get(key))


def _compare_tasks(
    connection: Connection, account: str, timelines: Mapping[str, Timeline]
) -> Iterator[Difference]:
    keys = list(timelines)
    live = task_sql.task_rows(connection, account, keys)
    for key, timeline in timelines.items():
        row = live.get(key)
        yield from _compare(TASK, (account, key), row and row._mapping, task_row(timeline))
    wanted = {_finding_key(row): row for each in timelines.values() for row in finding_rows(each)}
    rows = task_sql.finding_rows_of(connection, account, keys)
    findings = {_finding_key(row._mapping): row._mapping for row in rows}
    for finding in sorted(findings.keys() | wanted.keys()):
        yield from _compare(FINDING, finding, findings.get(finding), wanted.get(finding))
    yield from _compare_attempts(connection, account, timelines)


def _compare_attempts(
    connection: Connection, account: str, timelines: Mapping[str, Timeline]
) -> Iterator[Difference]:
    wanted = {(row["key"], row["number"]): row for each in timelines.values() for row in attempt_rows(each)}
    mine = ATTEMPT.c.account == account, among(connection, ATTEMPT.c.key, timelines)
    rows = connection.execute(select(ATTEMPT).where(*mine)).mappings()
    live = {(row["key"], row["number"]): row for row in rows}
    for key, number in sorted(live.keys() | wanted.keys()):
        place = account, key, str(number)
        yield from _compare(ATTEMPT, place, live.get((key, number)), wanted.get((key, number)))


def _count(connection: Connection, account: str, timelines: Mapping[str, Timeline], deltas: Deltas) -> None:
    """Add what these tasks come to. One that has no row is in no sum."""
    live = task_sql.known_tasks(connection, account, list(timelines))
    for key, timeline in timelines.items():
        if key in live:
            deltas.add(account, Counted(task_row(timeline), attempt_rows(timeline)))


def _compare_sums(connection: Connection, into: Connection) -> Iterator[Difference]:
    for table in TABLES:
        for sums in left(into, table):
            for key, odd in sums.items():
                row = kept(connection, table, key)
                live = {name: getattr(row, name) if row else 0 for name in COUNTS}
                right = {name: live[name] + number for name, number in zip(COUNTS, odd, strict=True)}
                yield from _compare(table, tuple(map(str, key)), live, right)


def _compare_counts(connection: Connection) -> Iterator[Difference]:
    """With the rows of tasks and findings, which have been compared themselves."""
    for key, (live, right) in task_counts.differences(connection).items():
        yield from _compare(TASK_COUNT, key, {"number": live}, {"number": right})


def _compare_without_facts(connection: Connection) -> Iterator[Difference]:
    for table in rebuild_sql.OF_TASKS:
        for row in connection.execute(rebuild_sql.without_facts(table)):
            yield Difference(table.name, f"{row.account}/{row.key}", "no facts bear this out", {})


def _finding_key(row: Values) -> tuple[str, ...]:
    return tuple(row[name] for name in ("account", "key", "category", "kind"))


def _compare(
    table: Table, key: tuple[str, ...], live: Values | None, rebuilt: Values | None
) -> Iterator[Difference]:
    name = "/".join(key)
    if live is None:
        yield Difference(table.name, name, "missing", {})
    elif rebuilt is None:
        yield Difference(table.name, name, "not borne out by the ledger", {})
    else:
        odd = {column: (live[column], want) for column, want in rebuilt.items() if live[column] != want}
        if odd:
            yield Difference(table.name, name, "differs", odd)
