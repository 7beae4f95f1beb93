from collections.abc import Iterable

import pytest
from sqlalchemy import delete, select

from receiver.domain.facts import Fact, QueueSnapshot, queue_fact
from receiver.domain.fold import fold
from receiver.ledger import dirty, fact_sql, links
from receiver.ledger.dirty import DirtyTask
from receiver.ledger.fact_sql import Subject, key_of
from receiver.ledger.projections import FoldBatch
from receiver.ledger.tables import FACT
from receiver.storage.bulk import is_postgres
from receiver.storage.engine import Store
from receiver.tasks.projections import Queues, has_tasks
from receiver.tasks.tables import FINDING, QUEUE, TASK
from tests.factories import ACCOUNT, called, finished, hook, seen, settled
from tests.ledger.projecting import drop_tasks, put_tasks
from tests.postgres import prepared_database


def record(store: Store, facts: Iterable[Fact]) -> set[str]:
    kept = list(facts)
    with store.transaction() as connection:
        new = fact_sql.add_facts(connection, kept)
        links.add_links(connection, [Subject(f.account, f.ref, f.task_id) for f in kept])
    return new


def ids(groups: dict[str, list[Fact]]) -> dict[str, set[str]]:
    return {key: {fact.id for fact in facts} for key, facts in groups.items()}


def test_only_facts_that_were_not_known_are_new(store: Store) -> None:
    first, second = hook("before", 1.0), hook("after", 2.0)
    assert record(store, [first]) == {first.id}
    assert record(store, [first, second]) == {second.id}
    assert record(store, [first, second]) == set()
    assert record(store, []) == set()


def test_a_known_fact_keeps_what_it_said_first(store: Store) -> None:
    record(store, [seen("executed", 1.0)])
    record(store, [seen("executed", 9.0)])
    with store.snapshot() as connection:
        assert [row.at for row in connection.execute(select(FACT))] == [1.0]


def test_many_facts_are_added_at_once(store: Store) -> None:
    facts = [hook("before", float(number)) for number in range(3_000)]
    assert len(record(store, facts)) == 3_000


def test_facts_come_back_as_they_were_recorded(store: Store) -> None:
    facts = [
        hook("after", 1.5, comment="нет ответа", sent_at=1.25, readable=False),
        seen("executed", 2.0, extra={"interval_id": 4}, hooks=("after",)),
        called("u1", 3.0, legs=({"application": "callback"},)),
        settled(4.0),
    ]
    record(store, facts)
    with store.snapshot() as connection:
        assert fact_sql.facts_of(connection, ACCOUNT, ["r1"]) == {"r1": facts}


def test_the_first_fact_that_names_both_links_a_task_id_to_its_ref(store: Store) -> None:
    record(store, [seen("executed", 1.0, about=("r1", "7")), seen("delayed", 2.0, about=("r2", "7"))])
    record(store, [seen("scheduled", 0.5, about=("r3", "7"))])
    with store.snapshot() as connection:
        assert links.find_links(connection, ACCOUNT, ["7", "8"]) == {"7": "r1"}
        assert links.find_links(connection, "another", ["7"]) == {}


def test_facts_are_found_under_the_ref_and_under_every_id_linked_to_it(store: Store) -> None:
    facts = {
        "by ref": hook("before", 1.0),
        "by id": hook("before_again", 2.0, about=(None, "7")),
        "both": seen("executed", 3.0),
        "second id": seen("executed", 4.0, about=("r1", "12")),
        "by second id": hook("after", 5.0, about=(None, "12")),
    }
    others = [hook("before", 1.0, about=("r2", None)), hook("after", 6.0, about=(None, "8"))]
    record(store, [*facts.values(), *others])
    with store.snapshot() as connection:
        found = ids(fact_sql.facts_of(connection, ACCOUNT, ["r1", "#8", "#9", "r9"]))
    assert found == {"r1": {fact.id for fact in facts.values()}, "#8": {others[1].id}}


def test_more_tasks_than_one_statement_takes_are_found(store: Store) -> None:
    facts = [hook("before", 1.0, about=(f"r{number}", None)) for number in range(950)]
    facts += [hook("before", 1.0, about=(None, str(number))) for number in range(950)]
    record(store, facts)
    with store.snapshot() as connection:
        keys = [key_of(fact.ref, fact.task_id, {}) for fact in facts]
        assert len(fact_sql.facts_of(connection, ACCOUNT, keys)) == 1_900


def test_a_task_is_written_over_what_was_there_with_its_findings(store: Store) -> None:
    lossy = fold([finished("failed", 1_100), settled(2_000)])
    healed = fold([hook("before", 1_000.0), hook("before_again", 1_060.0), hook("after", 1_120.0)])
    with store.transaction() as connection:
        put_tasks(connection, [lossy])
        assert {row.kind for row in connection.execute(select(FINDING))} == {
            "before",
            "before_again",
            "after",
            "silent",
        }
        put_tasks(connection, [healed])
        (row,) = connection.execute(select(TASK)).all()
        assert (row.key, row.settled, row.lost, row.attempts) == ("r1", False, {}, 2)
        assert row.try_count is None
        assert connection.execute(select(FINDING)).all() == []


def test_a_task_that_stands_there_just_so_is_not_written_again(store: Store) -> None:
    """PostgreSQL tells by the row's version, SQLite by a count of changes."""
    task, other = (fold([hook("before", at), finished("failed", 1_100)]) for at in (1_000.0, 1_001.0))
    with store.transaction() as connection:
        told = "ctid" if is_postgres(connection) else "total_changes()"
        written = f"SELECT {told} FROM task"
        put_tasks(connection, [task])
        before = connection.exec_driver_sql(written).all()
        put_tasks(connection, [task])
        assert connection.exec_driver_sql(written).all() == before
        put_tasks(connection, [other])
        assert connection.exec_driver_sql(written).all() != before
        assert [row.first_at for row in connection.execute(select(TASK))] == [1_001.0]


def test_dropping_a_task_takes_its_findings_along_and_no_one_elses(store: Store) -> None:
    lossy = [
        fold([finished("failed", 1.0, about=about), settled(2.0, about=about)])
        for about in ((None, "7"), (None, "8"))
    ]
    with store.transaction() as connection:
        put_tasks(connection, lossy)
        drop_tasks(connection, ACCOUNT, ["#7", "#9"])
        assert {row.key for row in connection.execute(select(TASK))} == {"#8"}
        assert {row.key for row in connection.execute(select(FINDING))} == {"#8"}


def test_of_a_queue_the_latest_word_is_kept_in_either_order(store: Store) -> None:
    early, late = QueueSnapshot("5", "on", name="night"), QueueSnapshot("5", "gone")
    for words in ((1.0, early, 2.0, late), (2.0, late, 1.0, early)):
        with store.transaction() as connection:
            connection.execute(delete(QUEUE))
            for at, said in (words[:2], words[2:]):
                Queues().apply(connection, FoldBatch(ACCOUNT, [], {}, [queue_fact(ACCOUNT, at, said)]))
            (row,) = connection.execute(select(QUEUE)).all()
            assert (row.status, row.name, row.observed_at) == ("gone", None, 2.0)


@pytest.mark.parametrize(
    ("ref", "task_id", "key"), [("r1", "7", "r1"), ("r1", None, "r1"), (None, "7", "r9"), (None, "8", "#8")]
)
def test_a_fact_belongs_to_its_ref_or_the_linked_one_or_a_preliminary_key(
    ref: str | None, task_id: str | None, key: str
) -> None:
    assert key_of(ref, task_id, {"7": "r9"}) == key


def test_facts_are_counted_under_the_keys_under_which_they_are_found(store: Store) -> None:
    facts = [hook("before", 1.0), hook("after", 2.0, about=(None, "7")), seen("executed", 3.0)]
    record(store, [*facts, hook("before", 1.0, about=(None, "8")), hook("before", 1.0, about=("r2", None))])
    with store.transaction() as connection:
        keys = ["r1", "#8", "#9"]
        assert fact_sql.count_facts(connection, ACCOUNT, keys) == {"r1": 3, "#8": 1}
        dirty.mark(connection, {DirtyTask(ACCOUNT, name): 1.0 for name in ("r1", "#8", "r2")})
        assert dirty.among(connection, ACCOUNT, keys) == {"r1", "#8"}


def test_no_plan_is_kept_from_the_time_when_a_table_was_empty(postgres: str) -> None:
    store = Store(prepared_database(postgres))
    query = "SELECT sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements"
    with store.transaction() as connection:
        for _ in range(20):
            has_tasks(connection, ACCOUNT, ["r1"])
        generic, custom = connection.exec_driver_sql(query).one()
    store.close()
    assert (generic, custom > 5) == (0, True)
