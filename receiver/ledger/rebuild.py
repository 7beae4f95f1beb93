"""Rebuild and verify: what follows from the ledger is derived again, over the live tables or beside them.

Both go through the ledger some tasks at a time. A rebuild reads and folds without holding up anything, then
writes in a short transaction over the live rows: it may run beside a service or break off at any moment, and
no row that belongs to the tables is missing meanwhile.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Select

from receiver.domain.task_facts import FROZEN
from receiver.domain.task_rows import task_rows_of
from receiver.domain.timeline import Timeline
from receiver.ledger import dirty, fact_sql, parts
from receiver.ledger.fact_sql import count_facts, facts_of, names_of
from receiver.ledger.links import find_links
from receiver.ledger.parts import Part
from receiver.ledger.projections import Difference, FoldBatch, TaskChange
from receiver.ledger.projector import Projector
from receiver.storage import locks
from receiver.storage.engine import Store

Progress = Callable[[int], None]
"""Called now and then with the number of tasks that are done."""


def _ignore(_done: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Comparison:
    """`to_fold`: tasks that are not compared, since facts about them are still to be folded."""

    differences: list[Difference]
    to_fold: int


def rebuild(store: Store, projector: Projector, progress: Progress = _ignore) -> int:
    """Derive everything from the ledger again and return the number of tasks. May run beside a service."""
    rebuilding = Rebuild(store, projector, progress)
    for projection in projector.derived:
        projection.derive(rebuilding)
    return rebuilding.done


@dataclass(slots=True)
class Rebuild:
    """One rebuild. `done`: tasks so far."""

    store: Store
    projector: Projector
    progress: Progress
    done: int = field(default=0, init=False)

    def refold(self) -> None:
        """Fold every task again, apply the derived projections, and remove tasks without facts."""
        for account, keys in _all_parts(self.store.snapshot):
            self.done += self._refold(account, keys)
            self.progress(self.done)
        for table in self.projector.derived_tables:
            self.repair(parts.without_facts(table), self._remove_without_facts)

    def _refold(self, account: str, keys: list[str]) -> int:
        """Fold these tasks and write them over the live rows. Return how many of them still exist."""
        with self.store.snapshot() as connection:
            read = facts_of(connection, account, keys)
        timelines = {key: self.projector.fold(facts) for key, facts in read.items()}
        with self.store.transaction() as connection:
            locks.lock_folding(connection)
            keys = _without_linked(connection, account, keys)
            # Marks of dirty tasks stay: those tasks are folded once more, with later facts.
            frozen = [key for key in keys if key in timelines and timelines[key].crowding == FROZEN]
            # Facts are only ever added: if there are as many as were read, they are the same.
            counts = count_facts(connection, account, set(keys).difference(frozen))
            changed = [key for key, count in counts.items() if count != len(read.get(key, ()))]
            timelines |= _fold(connection, self.projector, account, changed)
            existing = [*counts, *fact_sql.have_facts(connection, account, frozen)]
            self.projector.write(connection, account, {key: timelines[key] for key in existing})
        return len(existing)

    def _remove_without_facts(self, connection: Connection, account: str, keys: list[str]) -> None:
        without = parts.still_without_facts(connection, account, keys, self.projector.derived_tables)
        if without:
            self.projector.remove(connection, account, without)

    def repair(self, wrong: Select[Any], repair: Callable[[Connection, str, list[str]], None]) -> None:
        """See `Rebuilding.repair`. A repair looks again, since a row may be right by then."""
        with self.store.snapshot() as connection:
            rows = sorted({(row[0], row[1]) for row in connection.execute(wrong)})
        for account, found in groupby(rows, key=itemgetter(0)):
            names = [name for _, name in found]
            for start in range(0, len(names), parts.TASKS):
                with self.store.transaction() as connection:
                    locks.lock_folding(connection)
                    repair(connection, account, names[start : start + parts.TASKS])


def verify(store: Store, projector: Projector, progress: Progress = _ignore) -> Comparison:
    """Compare the live tables with the ledger folded again, both at one moment."""
    differences: list[Difference] = []
    done = to_fold = 0
    with store.snapshot() as connection, ExitStack() as stack:
        checks = [stack.enter_context(each.check(connection)) for each in projector.derived]
        for account, keys in _all_parts(lambda: nullcontext(connection)):
            waiting = _dirty(connection, account, keys)
            batch = _comparison(connection, projector, account, keys, waiting)
            for check in checks:
                differences += check.compare(batch)
            to_fold += len(waiting)
            done += len(keys)
            progress(done)
        for check in checks:
            differences += check.finish()
        for table in projector.derived_tables:
            for row in connection.execute(parts.without_facts(table)):
                name = f"{row.account}/{row.key}"
                differences.append(Difference(table.name, name, "no facts bear this out", {}))
    return Comparison(differences, to_fold)


def _comparison(
    connection: Connection, projector: Projector, account: str, keys: list[str], waiting: set[str]
) -> FoldBatch:
    """Return live records beside tasks folded again; `waiting` tasks have no timeline."""
    live = projector.stored(connection, account, keys)
    timelines = _fold(connection, projector, account, [key for key in keys if key not in waiting])
    changes = [
        TaskChange(key, live.get(key), task_rows_of(timeline), timeline)
        for key, timeline in timelines.items()
    ]
    changes += [TaskChange(key, live.get(key), live.get(key), None) for key in waiting]
    return FoldBatch(account, changes, {})


def _all_parts(reading: Callable[[], AbstractContextManager[Connection]]) -> Iterator[Part]:
    """Yield all tasks of which there is a fact by now. Later facts would be a race with the service."""
    with reading() as connection:
        last = parts.last_seq(connection)
    for query in (parts.by_ref, parts.by_task_id):
        place = parts.START
        while True:
            with reading() as connection:
                page = connection.execute(query(place, last)).all()
            if not page:
                break
            yield from parts.parts(page)
            place = page[-1][0], page[-1][1]


def _without_linked(connection: Connection, account: str, keys: list[str]) -> list[str]:
    """Return the keys without tasks whose ref has become known since their keys were read."""
    task_ids = [key[1:] for key in keys if key.startswith("#")]
    linked = {f"#{task_id}" for task_id in find_links(connection, account, task_ids)}
    return [key for key in keys if key not in linked]


def _fold(connection: Connection, projector: Projector, account: str, keys: list[str]) -> dict[str, Timeline]:
    found = facts_of(connection, account, keys) if keys else {}
    return {key: projector.fold(facts) for key, facts in found.items()}


def _dirty(connection: Connection, account: str, keys: list[str]) -> set[str]:
    """Return the tasks about which there are facts that are still to be folded."""
    refs, task_ids = names_of(connection, account, keys)
    key_of = refs | {f"#{task_id}": key for task_id, key in task_ids.items()}
    return {key_of[name] for name in dirty.among(connection, account, list(key_of))}
