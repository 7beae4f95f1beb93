"""A new projection is one class and one entry of the list: fold, rebuild, verify and retention carry it."""

import inspect
from collections import Counter
from collections.abc import Iterable

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, delete, func, select

from receiver.app import PROJECTIONS
from receiver.ledger.projections import DerivedProjection, Difference, FoldBatch, Rebuilding, compare_rows
from receiver.ledger.projector import Projector
from receiver.ledger.rebuild import rebuild, verify
from receiver.maintenance.expiry import ExpiredTasks, delete_tasks
from receiver.storage.bulk import write_values
from receiver.storage.engine import Store
from receiver.tasks.projections import read_stored
from receiver.tasks.tables import TASK
from tests.factories import ACCOUNT, finished, hook, settled

COUNTS = Table(
    "extension_count",
    MetaData(),
    Column("extension", String, primary_key=True),
    Column("tasks", Integer, nullable=False),
)
_EXTENSION = TASK.c.extension_id
COUNTED = (
    select(_EXTENSION.label("extension"), func.count().label("tasks"))
    .where(_EXTENSION.isnot(None))
    .group_by(_EXTENSION)
)


class ExtensionCounts(DerivedProjection):
    """Number of tasks by extension."""

    reads = ("extension_id",)

    def apply(self, connection: Connection, batch: FoldBatch) -> None:
        numbers = Counter[str]()
        for change in batch.changes:
            for record, number in ((change.before, -1), (change.after, 1)):
                if record and record.task["extension_id"]:
                    numbers[record.task["extension_id"]] += number
        rows = [row for row in numbers.items() if row[1]]
        write_values(connection, COUNTS, "sum", ("extension", "tasks"), rows)

    def retire(self, connection: Connection, batch: FoldBatch) -> Counter[str]:
        self.apply(connection, batch)
        return Counter()

    def derive(self, rebuilding: Rebuilding) -> None:
        with rebuilding.store.transaction() as connection:
            connection.execute(delete(COUNTS))
            connection.execute(COUNTS.insert().from_select(["extension", "tasks"], COUNTED))

    def differences(self, connection: Connection) -> Iterable[Difference]:
        live = connection.execute(select(COUNTS).where(COUNTS.c.tasks != 0)).mappings()
        return compare_rows(COUNTS, live, map(dict, connection.execute(COUNTED).mappings()))


PROJECTOR = Projector([*PROJECTIONS, ExtensionCounts()], read_stored)


def counts(store: Store) -> dict[str, int]:
    with store.snapshot() as connection:
        return {row.extension: row.tasks for row in connection.execute(select(COUNTS)) if row.tasks}


@pytest.fixture
def filled(store: Store) -> Store:
    """Three tasks of two extensions, and one without any."""
    with store.transaction() as connection:
        COUNTS.create(connection)
        for name, extension in (("r1", "305"), ("r2", "305"), ("r3", "306"), ("r4", None)):
            about = (name, name[1:])
            record = finished("failed", 900.0, about=about, extension_id=extension)
            PROJECTOR.record(connection, [hook("before", 800.0, about=about), record])
    assert counts(store) == {"305": 2, "306": 1}
    return store


def test_a_fold_moves_a_task_from_one_extension_to_another(filled: Store) -> None:
    with filled.transaction() as connection:
        PROJECTOR.record(connection, [finished("failed", 901.0, about=("r1", "1"), extension_id="306")])
    assert counts(filled) == {"305": 1, "306": 2}
    assert verify(filled, PROJECTOR).differences == []


def test_verify_finds_what_is_wrong_and_rebuild_puts_it_right(filled: Store) -> None:
    with filled.transaction() as connection:
        connection.execute(COUNTS.update().where(COUNTS.c.extension == "305").values(tasks=7))
    (difference,) = verify(filled, PROJECTOR).differences
    assert (difference.table, difference.key) == ("extension_count", "305")
    assert difference.columns == {"tasks": (7, 2)}
    rebuild(filled, PROJECTOR)
    assert counts(filled) == {"305": 2, "306": 1}
    assert verify(filled, PROJECTOR).differences == []


def test_retention_takes_expired_tasks_away(filled: Store) -> None:
    with filled.transaction() as connection:
        PROJECTOR.record(connection, [settled(950.0, about=("r1", "1")), settled(950.0, about=("r3", "3"))])
        delete_tasks(connection, PROJECTOR, ExpiredTasks(ACCOUNT, ["r1", "r3"], 1_000.0), 100)
    assert counts(filled) == {"305": 1}
    assert verify(filled, PROJECTOR).differences == []


def test_the_new_projection_has_at_most_40_lines() -> None:
    assert len(inspect.getsource(ExtensionCounts).splitlines()) <= 40
