"""The projection of phone numbers, by which tasks are found; and its tasks that are still to be added."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection, Table

from receiver.domain.numbers import LEAST_DIGITS, digits_of, e164
from receiver.domain.task_rows import Row
from receiver.domain.timeline import Timeline
from receiver.ledger.projections import (
    Check,
    DerivedProjection,
    Difference,
    FoldBatch,
    Rebuilding,
    TaskChange,
)
from receiver.storage.bulk import run, write_values
from receiver.tasks.tables import TASK_NUMBER

LEGS = ("a", "b")


class Search(DerivedProjection):
    """The table `task_number`: both numbers of each task, without extensions of two or three digits."""

    tables = (TASK_NUMBER,)
    reads = ("a_number", "b_number")

    def apply(self, connection: Connection, batch: FoldBatch) -> None:
        rows: list[_Values] = []
        without: dict[str, list[str]] = defaultdict(list)
        for change in batch.changes:
            found = list(_number_values(change.timeline)) if change.timeline else []
            rows += found
            for leg in _lost_legs(change, {leg for _, _, leg, *_ in found}):
                without[leg].append(change.key)
        for leg, keys in without.items():
            query = "DELETE FROM task_number WHERE account = ? AND leg = ? AND key IN ?"
            run(connection, query, batch.account, leg, keys)
        write_values(connection, TASK_NUMBER, "put", _COLUMNS, rows)

    def rows(self, change: TaskChange) -> Mapping[Table, Sequence[Row]]:
        return {TASK_NUMBER: number_rows(change.timeline) if change.timeline else ()}

    def derive(self, rebuilding: Rebuilding) -> None:
        """Note that all tasks have their numbers: a fold of all of them was made before."""
        with rebuilding.store.transaction() as connection:
            run(connection, "DELETE FROM task_number_fill")

    def check(self, connection: Connection) -> AbstractContextManager[Check]:
        with super().check(connection) as check:
            return nullcontext(_Unfilled(check) if position(connection) else check)


_COLUMNS = ("account", "key", "leg", "e164", "digits", "at")

_Values = tuple[str, str, str, str | None, str, float]
"""A row of `task_number`, in the order of `_COLUMNS`."""


def _lost_legs(change: TaskChange, found: Set[str]) -> list[str]:
    """Return the legs whose number was another one, and is now none that is stored."""
    if change.before is None:
        return []
    before, now = change.before.task, change.timeline
    return [
        leg
        for leg in LEGS
        if leg not in found
        and before[f"{leg}_number"] is not None
        and (now is None or getattr(now, f"{leg}_number") != before[f"{leg}_number"])
    ]


def number_rows(timeline: Timeline) -> list[Row]:
    """Return the rows of `task_number` of a folded task."""
    return [dict(zip(_COLUMNS, values, strict=True)) for values in _number_values(timeline)]


def _number_values(timeline: Timeline) -> Iterator[_Values]:
    for leg, number in (("a", timeline.a_number), ("b", timeline.b_number)):
        if number and (form := _stored_form(number, timeline.region)):
            yield timeline.account, timeline.key, leg, *form, timeline.first_at


@lru_cache(maxsize=4096)
def _stored_form(number: str, region: str) -> tuple[str | None, str] | None:
    """Return the number in E.164 or None, and its digits in reverse; None if it has too few."""
    international = e164(number, region)
    digits = digits_of(international or number)
    return (international, digits[::-1]) if len(digits) >= LEAST_DIGITS else None


class Position(NamedTuple):
    """The last task whose numbers were added, in the order of `first_at`, newest first."""

    at: float
    account: str
    key: str


def position(connection: Connection) -> Position | None:
    """Return how far the numbers of older tasks are added; None if all are."""
    row = run(connection, "SELECT at, account, key FROM task_number_fill").first()
    return Position(*row) if row else None


def move(connection: Connection, to: Position | None) -> None:
    """Store how far the numbers of older tasks are added."""
    run(connection, "DELETE FROM task_number_fill")
    if to:
        run(connection, "INSERT INTO task_number_fill (at, account, key) VALUES (?, ?, ?)", *to)


@dataclass(frozen=True, slots=True)
class _Unfilled:
    """A comparison that overlooks missing rows, while the numbers of older tasks are added."""

    check: Check

    def compare(self, batch: FoldBatch) -> Iterable[Difference]:
        return [found for found in self.check.compare(batch) if found.problem != "missing"]

    def finish(self) -> Iterable[Difference]:
        return self.check.finish()
