"""The projector: appends facts, folds their tasks, and applies all projections, inside one transaction."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from receiver.domain.facts import Fact, QueueSnapshot
from receiver.domain.findings import CROWDED_DETAIL
from receiver.domain.fold import Fold, fold
from receiver.domain.task_facts import FROZEN
from receiver.domain.task_rows import Row, TaskRows, task_rows_of
from receiver.domain.timeline import Timeline
from receiver.ledger import dirty
from receiver.ledger.dirty import DirtyTask
from receiver.ledger.fact_sql import Subject, add_facts, facts_of, key_of
from receiver.ledger.links import add_links, find_links
from receiver.ledger.projections import DerivedProjection, FoldBatch, Projection, TaskChange
from receiver.storage import locks
from receiver.storage.operator_events import OperatorNotice, add_operator_event

StoredTasks = Callable[[Connection, str, Collection[str]], dict[str, TaskRows]]
"""Reads an account's tasks: key → record, of those that are stored."""

FOLD_READS = ("state", "confidence", "settled", "crowding", "hooks_late", "hooks_lost", "lost")
"""Columns of `task` from which a fold's metrics follow."""


class FoldedTask(NamedTuple):
    """A task that a transaction has folded. `before`: its row until now, None for a new task."""

    before: Row | None
    after: Timeline

    @property
    def is_newly_crowded(self) -> bool:
        """Whether the task has more facts than are folded, and had not before."""
        return bool(self.after.crowding) and not (self.before and self.before["crowding"])


class FoldResult(NamedTuple):
    """`dirty`: number of dirty tasks found. `is_busy`: another receiver folds, so none was folded."""

    dirty: int
    tasks: Sequence[FoldedTask] = ()
    is_busy: bool = False


class Projector:
    """Folds tasks and applies projections. `read_stored`: makes the reader of stored tasks from the names of
    the needed columns of `task`. `fold`: folds the facts of one task.
    """

    def __init__(
        self,
        projections: Sequence[Projection],
        read_stored: Callable[[Sequence[str]], StoredTasks],
        fold: Fold = fold,
    ) -> None:
        self.projections = projections
        self.derived = [each for each in projections if isinstance(each, DerivedProjection)]
        self.derived_tables = [table for projection in self.derived for table in projection.tables]
        self.fold = fold
        reads = dict.fromkeys(FOLD_READS) | dict.fromkeys(name for each in projections for name in each.reads)
        self.stored = read_stored(tuple(reads))

    def record(self, connection: Connection, facts: Sequence[Fact]) -> list[FoldedTask] | None:
        """Append the facts that are new and fold their tasks. Do nothing and return None if another receiver
        folds: waiting for it in a transaction would hold up the folder of this one.
        """
        # First the lock, then rows, so that two receivers that record the same facts cannot deadlock.
        if not locks.try_lock_folding(connection):
            return None
        first: dict[str, Fact] = {}
        for fact in facts:
            first.setdefault(fact.id, fact)
        added = add_facts(connection, tuple(first.values()))
        return self._fold(connection, [fact for fact in first.values() if fact.id in added])

    def fold_due(
        self, connection: Connection, limit: int, now: float, without: Collection[DirtyTask] = ()
    ) -> FoldResult:
        """Fold the tasks that have been dirty longest, `without` these. `now`: epoch seconds."""
        if not locks.try_lock_folding(connection):
            return FoldResult(0, is_busy=True)
        tasks = dirty.due(connection, now, limit, without)
        return FoldResult(len(tasks), self._fold_dirty(connection, tasks))

    def fold_tasks(self, connection: Connection, tasks: Sequence[DirtyTask]) -> list[FoldedTask]:
        """Fold these dirty tasks."""
        locks.lock_folding(connection)
        return self._fold_dirty(connection, tasks)

    def _fold_dirty(self, connection: Connection, tasks: Sequence[DirtyTask]) -> list[FoldedTask]:
        # Marks are taken before facts are read: the mark of a fact that is added in between stays.
        subjects: dict[str, list[Subject]] = defaultdict(list)
        for account, name in dirty.take(connection, tasks):
            named = Subject(account, None, name[1:]) if name.startswith("#") else Subject(account, name, None)
            subjects[account].append(named)
        return [
            task
            for account, about in subjects.items()
            for task in self._fold_account(connection, account, about, ())
        ]

    def _fold(self, connection: Connection, facts: Iterable[Fact]) -> list[FoldedTask]:
        """Fold the tasks that new facts are about."""
        by_account: dict[str, list[Fact]] = defaultdict(list)
        for fact in facts:
            by_account[fact.account].append(fact)
        folded: list[FoldedTask] = []
        for account, added in by_account.items():
            queues = [fact for fact in added if isinstance(fact.payload, QueueSnapshot)]
            about = [
                Subject(account, fact.ref, fact.task_id)
                for fact in added
                if not isinstance(fact.payload, QueueSnapshot)
            ]
            folded += self._fold_account(connection, account, about, queues)
        return folded

    def _fold_account(
        self, connection: Connection, account: str, about: Sequence[Subject], queue_facts: Sequence[Fact]
    ) -> list[FoldedTask]:
        add_links(connection, about)
        links = find_links(connection, account, {subject.task_id for subject in about if subject.task_id})
        keys = {key_of(subject.ref, subject.task_id, links) for subject in about}
        refs = {f"#{task_id}": ref for task_id, ref in links.items()}
        stored = self.stored(connection, account, keys | refs.keys()) if keys else {}
        renamed = {key: refs[key] for key in stored.keys() & refs.keys()}
        frozen = {key for key, record in stored.items() if record.task["crowding"] == FROZEN}
        keys -= frozen - set(renamed.values())
        found = facts_of(connection, account, keys) if keys else {}
        timelines = {timeline.key: timeline for timeline in map(self.fold, found.values())}
        batch = FoldBatch(account, _changes(timelines, stored, renamed), renamed, queue_facts)
        for projection in self.projections:
            projection.apply(connection, batch)
        return [_folded(connection, change) for change in batch.changes if change.timeline]

    def write(self, connection: Connection, account: str, timelines: Mapping[str, Timeline]) -> None:
        """Apply the derived projections to folded tasks. Nothing is published."""
        stored = self.stored(connection, account, list(timelines))
        self._derive(connection, FoldBatch(account, _changes(timelines, stored, {}), {}))

    def remove(self, connection: Connection, account: str, keys: Collection[str]) -> None:
        """Remove tasks from the derived projections."""
        self._derive(connection, self._removal(connection, account, keys))

    def _derive(self, connection: Connection, batch: FoldBatch) -> None:
        for projection in self.derived:
            projection.apply(connection, batch)

    def retire(self, connection: Connection, account: str, keys: Collection[str]) -> dict[str, int]:
        """Delete what follows from expired tasks, whose facts are deleted already. Return table → rows."""
        batch = self._removal(connection, account, keys)
        deleted: dict[str, int] = {}
        for projection in self.projections:
            deleted |= projection.retire(connection, batch)
        return deleted

    def _removal(self, connection: Connection, account: str, keys: Collection[str]) -> FoldBatch:
        stored = self.stored(connection, account, keys)
        return FoldBatch(account, [TaskChange(key, stored.get(key), None, None) for key in keys], {})


def _changes(
    timelines: Mapping[str, Timeline], stored: Mapping[str, TaskRows], renamed: Mapping[str, str]
) -> list[TaskChange]:
    former = {ref: stored[key] for key, ref in renamed.items()}
    removed = [TaskChange(key, stored[key], None, None) for key in renamed]
    return removed + [
        TaskChange(key, stored.get(key), task_rows_of(timeline), timeline, former.get(key))
        for key, timeline in timelines.items()
    ]


def _folded(connection: Connection, change: TaskChange) -> FoldedTask:
    assert change.timeline is not None  # noqa: S101 - for the type checker
    before = change.before or change.former
    task = FoldedTask(before.task if before else None, change.timeline)
    if task.is_newly_crowded:
        account, key = task.after.account, task.after.key
        data = {"account": account, "task": key}
        notice = OperatorNotice("task.crowded", f"{account}/{key}", CROWDED_DETAIL, task.after.last_at, data)
        add_operator_event(connection, notice)
    return task
