"""A rebuild goes some tasks at a time, and comes to what all at once would."""

import asyncio
from collections.abc import Iterable

import pytest
from sqlalchemy import Connection, insert, update

from receiver.domain.facts import Fact
from receiver.ledger.throttle import Throttle
from receiver.rebuild import Comparison, rebuild, verify
from receiver.store import replay, statements
from receiver.store.tables import DIRTY_TASK, LINK, QUEUE, TASK
from tests.factories import ACCOUNT, hook
from tests.ledger.house import House
from tests.rebuild.world import arrival, broken, damaged, filled, tell, while_folding

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("small_parts")]

SOUND = Comparison([], 0)


async def test_whatever_stood_in_the_tables_in_the_end_it_is_what_the_ledger_gives(house: House) -> None:
    await filled(house)
    queues = house.rows(QUEUE)
    await damaged(house)
    assert len(verify(house.store).differences) > 60
    tasks = rebuild(house.store)
    assert house.derived() == house.told_by_the_ledger()
    assert house.rows(QUEUE) == queues
    assert tasks == len(house.rows(TASK)) > 90
    assert verify(house.store) == SOUND


async def test_of_an_empty_ledger_nothing_is_derived(house: House) -> None:
    await tell(house, insert(LINK).values(account=ACCOUNT, task_id="1", ref="r1"))
    assert rebuild(house.store) == 0
    assert house.rows(LINK) == []
    assert verify(house.store) == SOUND


def test_a_part_has_one_account_and_bounds_of_tasks_and_of_facts() -> None:
    sizes = enumerate((8, 8, 8, 90, 1, 1))
    page = [*(("a", "", f"k{number}", size) for number, size in sizes), ("b", "", "k", 1)]
    parts = [("a", ["k0", "k1"]), ("a", ["k2"]), ("a", ["k3"]), ("a", ["k4", "k5"]), ("b", ["k"])]
    assert list(replay.parts(page)) == parts
    assert list(replay.parts([])) == []


async def test_no_more_is_read_at_once_than_the_bounds_allow(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(house)
    parts: list[list[int]] = []
    read = statements.facts_of

    def noted(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, list[Fact]]:
        found = read(connection, account, keys)
        parts.append([len(facts) for facts in found.values()])
        return found

    monkeypatch.setattr(statements, "facts_of", noted)
    rebuild(house.store)
    assert all(len(sizes) <= replay.TASKS for sizes in parts)
    assert [sizes for sizes in parts if sum(sizes) > replay.FACTS] == [[50]]


async def test_one_that_breaks_off_leaves_every_row_as_it_was_or_as_it_should_be(house: House) -> None:
    await filled(house)
    await damaged(house)
    before = {row["key"]: row for row in house.rows(TASK) if row["account"] == ACCOUNT}
    right = {row["key"]: row for row in house.told_by_the_ledger()["task"]}
    with while_folding("r040", broken), pytest.raises(KeyboardInterrupt):
        rebuild(house.store)
    after = {row["key"]: row for row in house.rows(TASK) if row["account"] == ACCOUNT}
    assert after.keys() >= before.keys()
    assert all(row in (before.get(key), right.get(key)) for key, row in after.items())
    assert before != after != right
    rebuild(house.store)
    assert house.derived() == house.told_by_the_ledger()


async def test_tasks_with_facts_that_wait_are_counted_and_not_compared_until_the_folder_has_folded_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Throttle, "allows", lambda _: False)
    await filled(house)
    subjects = [("r001", None), ("new", None), (None, "103"), (None, "77")]
    late = [hook("success", 1_060.0, about=about, copy=copy) for about in subjects for copy in range(2)]
    await house.accept(*map(arrival, late))
    assert verify(house.store) == Comparison([], 4)
    await tell(house, update(TASK).where(TASK.c.key == "r002").values(attempts=9))
    (difference,) = verify(house.store).differences
    assert difference.key == "acme/r002"
    rebuild(house.store)
    assert house.derived() == house.told_by_the_ledger()
    assert verify(house.store) == Comparison([], 4), "their marks are left to the folder"
    monkeypatch.undo()
    await asyncio.wait_for(house.caught_up(), 20)
    assert house.rows(DIRTY_TASK) == []
    assert house.derived() == house.told_by_the_ledger()
    assert verify(house.store) == SOUND
