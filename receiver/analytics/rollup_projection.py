"""The projection of rollups: sums for analysts, kept as tasks are folded."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection

from receiver.analytics.rollup_check import TABLES, discrepancies, kept_row, scratch, spill, subtract_current
from receiver.analytics.rollup_parts import COUNTS
from receiver.analytics.rollup_repair import recount
from receiver.analytics.rollups import COUNTED, Deltas, rollup_calendar
from receiver.ledger.projections import (
    Check,
    DerivedProjection,
    Difference,
    FoldBatch,
    Rebuilding,
    differing,
)


class Rollups(DerivedProjection):
    """The tables `rollup` and `rollup_day`."""

    reads = COUNTED

    def apply(self, connection: Connection, batch: FoldBatch) -> None:
        if not batch.changes:
            return
        deltas = Deltas(rollup_calendar(connection))
        for change in batch.changes:
            deltas.change(batch.account, change.before, change.after)
        deltas.write(connection)

    def retire(self, connection: Connection, batch: FoldBatch) -> Counter[str]:
        """Keep the sums of expired tasks, apart from sums that can be counted again."""
        calendar = rollup_calendar(connection)
        live, retired = Deltas(calendar), Deltas(calendar, retired=True)
        for change in batch.changes:
            live.change(batch.account, change.before, None)
            retired.change(batch.account, None, change.before)
        live.write(connection)
        retired.write(connection)
        return Counter()

    def derive(self, rebuilding: Rebuilding) -> None:
        recount(rebuilding.store)

    @contextmanager
    def check(self, connection: Connection) -> Iterator[Check]:
        with scratch() as into:
            yield _RollupCheck(connection, into, Deltas(rollup_calendar(connection)))


@dataclass(frozen=True, slots=True)
class _RollupCheck:
    """Adds up all tasks beside the live sums. A task without a live row is in no sum."""

    connection: Connection
    into: Connection
    deltas: Deltas

    def compare(self, batch: FoldBatch) -> Iterable[Difference]:
        for change in batch.changes:
            if change.before:
                self.deltas.change(batch.account, None, change.after)
        spill(self.deltas, self.into)
        return ()

    def finish(self) -> Iterator[Difference]:
        spill(self.deltas, self.into, all_of_it=True)
        subtract_current(self.connection, self.into)
        for table in TABLES:
            for sums in discrepancies(self.into, table):
                for key, wrong in sums.items():
                    row = kept_row(self.connection, table, key)
                    live = {name: getattr(row, name) if row else 0 for name in COUNTS}
                    right = {name: live[name] + number for name, number in zip(COUNTS, wrong, strict=True)}
                    yield Difference(table.name, "/".join(map(str, key)), "differs", differing(live, right))
