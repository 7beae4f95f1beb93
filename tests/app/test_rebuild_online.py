"""A rebuild goes some tasks at a time: beside a ledger that takes in hooks, broken off, and begun again."""

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, insert, select, update

import receiver.rebuild
from receiver.domain.facts import EVENTS, Fact
from receiver.domain.fold import fold
from receiver.domain.timeline import Timeline
from receiver.ledger import folding
from receiver.ledger.pace import Pace
from receiver.rebuild import Comparison, rebuild, verify
from receiver.store import replay, statements
from receiver.store.backend import Arrival
from receiver.store.tables import FINDING, LINK, PENDING, QUEUE, TASK
from tests.factories import ACCOUNT, delivery, finished, hook, queue, seen, settled
from tests.ledger.house import House, open_house

pytestmark = pytest.mark.anyio

SOUND = Comparison([], 0)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "TASKS", 7)
    monkeypatch.setattr(replay, "FACTS", 20)


@pytest.fixture
async def house(store_target: str) -> AsyncIterator[House]:
    async with open_house(store_target) as house:
        yield house


def world(tasks: int = 60) -> list[Fact]:
    """Tasks that are known by ref, by task id, by both from the first or only later, or as several under one ref."""
    facts = [queue(900.0), queue(950.0, "6"), queue(990.0, status="off")]
    for number in range(tasks):
        ref, task_id, at = f"r{number:03}", str(100 + number), 1_000.0 + number
        facts += [hook("before", at, about=(ref, None)), hook("after", at + 90, about=(ref, None), copy=1)]
        facts += [hook("before", at, about=(None, f"9{task_id}")) for _ in range(number % 2)]
        facts += [hook("before_again", at + 70, about=(None, task_id)) for _ in range(number % 3)][:1]
        if number % 4:
            facts += [
                finished("failed", at + 95, about=(ref, task_id)),
                settled(at + 400, about=(ref, task_id)),
            ]
        if number % 10 == 9:
            facts += [seen("executed", at + 50, about=(ref, f"1{task_id}"))]
    facts += [hook("before", 1.0 + copy, about=("crowded", None), copy=copy) for copy in range(50)]
    return facts


async def filled(house: House) -> None:
    await house.ledger.record(world())
    assert house.derived() == house.told_by_the_ledger()


async def tell(house: House, *told: Any) -> None:
    def work(connection: Connection) -> None:
        for statement in told:
            connection.execute(statement)

    await house.store.write(work)


async def damaged(house: House) -> None:
    """What an older version's rules may have left, and worse: half of the rows are other ones."""
    rng = random.Random(4)
    keys = [row["key"] for row in house.rows(TASK)]
    rng.shuffle(keys)
    wrong, gone, moved = keys[:20], keys[20:35], keys[35:40]
    preliminary = [{"account": ACCOUNT, "key": f"#{100 + number}"} for number in range(1, 60, 4)]
    state = {"state": "new", "confidence": "events", "gone": False, "settled": False, "last_at": 1.0}
    row = state | {"attempts": 9, "attempts_exact": False, "first_at": 1.0}
    counts = dict.fromkeys(("expected", "arrived", "duplicates", "lost"), {"before": 7})
    finding = {"category": "drift", "kind": "gone", "count": 1, "detail": "", "at": 1.0}
    strangers = [*preliminary, *({"account": owner, "key": "r9999"} for owner in (ACCOUNT, "aaa", "zzz"))]
    await tell(
        house,
        update(TASK).where(TASK.c.key.in_(wrong)).values(state="new", attempts=9, lost={"after": 3}),
        delete(TASK).where(TASK.c.key.in_(gone)),
        *(update(TASK).where(TASK.c.key == key).values(key=f"{key}-moved") for key in moved),
        insert(TASK).values([each | row | counts for each in strangers]),
        insert(FINDING).values([each | finding for each in strangers]),
        delete(FINDING).where(FINDING.c.kind == "after"),
        update(FINDING).where(FINDING.c.kind == "before").values(count=8),
        update(LINK).where(LINK.c.task_id.in_(["101", "102"])).values(ref="r000"),
        delete(LINK).where(LINK.c.task_id.in_(["105", "106"])),
        insert(LINK).values(account=ACCOUNT, task_id="9101", ref="r000"),
        update(QUEUE).where(QUEUE.c.queue_id == "6").values(status="gone", observed_at=9e9),
    )


def arrival(fact: Fact) -> Arrival:
    return Arrival(delivery(fact.id)._replace(ref=fact.ref), fact)


def when_folding(monkeypatch: pytest.MonkeyPatch, turn: int, work: Any) -> None:
    """Do something once while the rebuild folds, which it does between reading and writing."""
    turns = iter(range(10_000))

    def folded(facts: Iterable[Fact]) -> Timeline:
        if next(turns) == turn:
            work()
        return fold(facts)

    monkeypatch.setattr(receiver.rebuild, "fold", folded)


async def test_whatever_the_tables_were_in_the_end_they_are_what_the_ledger_gives(house: House) -> None:
    await filled(house)
    queues = house.rows(QUEUE)
    await damaged(house)
    assert len(verify(house.store).differences) > 60
    tasks = rebuild(house.store)
    assert house.derived() == house.told_by_the_ledger()
    assert house.rows(QUEUE) == queues
    assert tasks == len(house.rows(TASK)) == 91
    assert verify(house.store) == SOUND


async def test_an_empty_ledger_empties_the_tables(house: House) -> None:
    await tell(house, insert(LINK).values(account=ACCOUNT, task_id="1", ref="r1"))
    assert rebuild(house.store) == 0
    assert house.rows(LINK) == []
    assert verify(house.store) == SOUND


async def test_a_part_is_bounded_by_tasks_and_by_facts_and_has_one_account() -> None:
    page = [("a", "", f"k{n}", count) for n, count in enumerate((8, 8, 8, 90, 1, 1))] + [("b", "", "k", 1)]
    assert list(replay.parts(page)) == [
        ("a", ["k0", "k1"]),
        ("a", ["k2"]),
        ("a", ["k3"]),
        ("a", ["k4", "k5"]),
        ("b", ["k"]),
    ]
    assert list(replay.parts([])) == []


async def test_no_part_of_a_rebuild_folds_more_than_its_bounds(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(house)
    sizes: list[list[int]] = []
    put = statements.put_tasks
    read = statements.facts_of

    def noted(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, list[Fact]]:
        found = read(connection, account, keys)
        sizes.append([len(facts) for facts in found.values()])
        return found

    monkeypatch.setattr(statements, "facts_of", noted)
    monkeypatch.setattr(statements, "put_tasks", put)
    rebuild(house.store)
    assert all(len(part) <= 7 and (sum(part) <= 20 or len(part) == 1) for part in sizes)
    assert [50] in sizes


async def test_one_that_breaks_off_leaves_every_row_as_it_was_or_as_it_should_be(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(house)
    await damaged(house)
    before = {row["key"]: row for row in house.rows(TASK) if row["account"] == ACCOUNT}
    right = {row["key"]: row for row in house.told_by_the_ledger()["task"]}

    def broken() -> None:
        raise KeyboardInterrupt

    when_folding(monkeypatch, 40, broken)
    with pytest.raises(KeyboardInterrupt):
        rebuild(house.store)
    after = {row["key"]: row for row in house.rows(TASK) if row["account"] == ACCOUNT}
    assert after.keys() >= before.keys()
    assert all(row in (before.get(key), right.get(key)) for key, row in after.items())
    assert sum(row == right.get(key) for key, row in after.items()) >= 30
    monkeypatch.undo()
    rebuild(house.store)
    assert house.derived() == house.told_by_the_ledger()


async def test_facts_that_wait_are_counted_and_no_difference_and_a_rebuild_folds_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "allows", lambda _: False)
    await filled(house)
    late = [hook("success", 1_060.0, about=about) for about in (("r001", None), ("new", None), (None, "103"))]
    late += [hook("success", 1_060.0, about=(None, "77"), copy=copy) for copy in range(2)]
    await house.store.append(list(map(arrival, late)))
    assert verify(house.store) == Comparison([], 4)
    await tell(house, update(TASK).where(TASK.c.key == "r002").values(attempts=9))
    (difference,) = verify(house.store).differences
    assert difference.key == "acme/r002"
    rebuild(house.store)
    assert house.rows(PENDING) == []
    assert house.derived() == house.told_by_the_ledger()


@pytest.mark.parametrize(
    "heard",
    [
        finished("success", 1_200.0, about=("r000", "100")),
        hook("success", 1_050.0, about=("r000", None)),
        seen("executed", 1_050.0, about=("r000", "9101")),
        seen("executed", 1_050.0, about=("r0005", "9101")),
    ],
    ids=["an observation", "a hook", "a link to a task of this part", "a link to a new task"],
)
async def test_what_is_recorded_between_reading_and_writing_is_not_lost(
    heard: Fact, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(house)

    def record() -> None:
        with house.store.transaction() as connection:
            folding.record(connection, [heard])

    for turn in (0, 60):  # while the first tasks with a ref are folded, and the first without one
        await tell(house, delete(statements.FACT).where(statements.FACT.c.id == heard.id))
        rebuild(house.store)
        when_folding(monkeypatch, turn, record)
        rebuild(house.store)
        monkeypatch.undo()
        small_parts.__wrapped__(monkeypatch)
        assert heard.id in house.facts()
        assert house.derived() == house.told_by_the_ledger()
        assert verify(house.store) == SOUND


async def test_only_the_marks_of_what_was_folded_are_taken_away(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "allows", lambda _: False)
    await filled(house)
    behind, ahead = (
        hook("success", 1_050.0, about=("r000", None)),
        hook("success", 1_050.0, about=("r059", None)),
    )

    def append() -> None:
        with house.store.transaction() as connection:
            house.store._backend.append(connection, [arrival(behind), arrival(ahead)])

    when_folding(monkeypatch, 25, append)
    rebuild(house.store)
    assert len(house.rows(PENDING)) == 1
    assert verify(house.store) == Comparison([], 1)


_ELSEWHERE = """
import sys
from receiver.rebuild import rebuild
from receiver.store.engine import Store
for _ in range(3):
    store = Store(sys.argv[1], float(sys.argv[2]) or None)
    rebuild(store)
    store.close()
"""


@pytest.mark.parametrize("where", ["a thread", "a process"])
async def test_a_rebuild_beside_a_stream_of_hooks_loses_nothing_and_shows_nothing_less(
    where: str, house: House
) -> None:
    await filled(house)
    known = len(house.rows(TASK))
    counts: list[int] = []
    enough = asyncio.Event()

    async def stream(name: int) -> None:
        number = 0
        while not enough.is_set() or number < 40:
            refs = random.Random(number * 10 + name)
            facts = [
                hook(
                    event,
                    2_000.0 + number,
                    about=(f"r{refs.randrange(300):03}", None),
                    copy=1000 * name + number,
                )
                for event in EVENTS
            ]
            await asyncio.gather(*(house.ledger.accept(arrival(fact)) for fact in facts))
            number += 1

    async def watch() -> None:
        while not enough.is_set():
            counts.append(
                await house.store.read(lambda c: c.scalar(select(func.count()).select_from(TASK)) or 0)
            )
            await asyncio.sleep(0.01)

    async def rebuilt() -> None:
        if where == "a thread":
            for _ in range(3):
                await asyncio.to_thread(rebuild, house.store)
        else:
            patience = "0" if "://" in house.store_target else "60"
            arguments = [sys.executable, "-c", _ELSEWHERE, house.store_target, patience]
            await asyncio.to_thread(subprocess.run, arguments, check=True, timeout=60)
        enough.set()

    await asyncio.wait_for(asyncio.gather(*map(stream, range(4)), watch(), rebuilt()), 90)
    await asyncio.wait_for(house.ledger.caught_up(), 30)
    assert min(counts) >= known
    assert house.rows(PENDING) == []
    assert house.derived() == house.told_by_the_ledger()
    assert verify(house.store) == SOUND


async def test_to_compare_beside_a_stream_of_hooks_shows_no_difference(house: House) -> None:
    await filled(house)
    arrivals = [
        arrival(hook(event, 2_000.0 + n, about=(f"r{n % 90:03}", None), copy=n))
        for n in range(300)
        for event in EVENTS
    ]
    compared = []
    taking = asyncio.gather(*map(house.ledger.accept, arrivals))
    while not taking.done() or len(compared) < 3:
        compared.append(await asyncio.to_thread(verify, house.store))
    await taking
    assert [each.differences for each in compared] == [[]] * len(compared)
    await asyncio.wait_for(house.ledger.caught_up(), 30)
    assert verify(house.store) == SOUND
