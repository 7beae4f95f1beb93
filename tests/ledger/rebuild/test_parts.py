"""A rebuild goes some tasks at a time, and comes to what all at once would."""

import asyncio
from collections.abc import Iterable

import pytest
from sqlalchemy import Connection, insert, update

from receiver.domain.facts import Fact
from receiver.ledger import fact_sql
from receiver.ledger import parts as ledger_parts
from receiver.ledger import rebuild as rebuilding
from receiver.ledger.rebuild import Comparison
from receiver.ledger.tables import DIRTY_TASK, LINK
from receiver.ledger.throttle import Throttle
from receiver.tasks.tables import QUEUE, TASK
from tests.factories import ACCOUNT, hook
from tests.ledger.ledger_env import LedgerEnv
from tests.ledger.projecting import rebuild, verify
from tests.ledger.rebuild.world import arrival, broken, damaged, filled, tell, while_folding

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("small_parts")]

SOUND = Comparison([], 0)


async def test_whatever_stood_in_the_tables_in_the_end_it_is_what_the_ledger_gives(
    ledger_env: LedgerEnv,
) -> None:
    await filled(ledger_env)
    queues = ledger_env.rows(QUEUE)
    await damaged(ledger_env)
    assert len(verify(ledger_env.store).differences) > 60
    tasks = rebuild(ledger_env.store)
    assert ledger_env.derived() == ledger_env.told_by_the_ledger()
    assert ledger_env.rows(QUEUE) == queues
    assert tasks == len(ledger_env.rows(TASK)) > 90
    assert verify(ledger_env.store) == SOUND


async def test_of_an_empty_ledger_nothing_is_derived(ledger_env: LedgerEnv) -> None:
    await tell(ledger_env, insert(LINK).values(account=ACCOUNT, task_id="1", ref="r1"))
    assert rebuild(ledger_env.store) == 0
    assert ledger_env.rows(LINK) == []
    assert verify(ledger_env.store) == SOUND


def test_a_part_has_one_account_and_bounds_of_tasks_and_of_facts() -> None:
    sizes = enumerate((8, 8, 8, 90, 1, 1))
    page = [*(("a", "", f"k{number}", size) for number, size in sizes), ("b", "", "k", 1)]
    parts = [("a", ["k0", "k1"]), ("a", ["k2"]), ("a", ["k3"]), ("a", ["k4", "k5"]), ("b", ["k"])]
    assert list(ledger_parts.parts(page)) == parts
    assert list(ledger_parts.parts([])) == []


async def test_no_more_is_read_at_once_than_the_bounds_allow(
    ledger_env: LedgerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(ledger_env)
    parts: list[list[int]] = []
    read = fact_sql.facts_of

    def noted(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, list[Fact]]:
        found = read(connection, account, keys)
        parts.append([len(facts) for facts in found.values()])
        return found

    monkeypatch.setattr(rebuilding, "facts_of", noted)
    rebuild(ledger_env.store)
    assert all(len(sizes) <= ledger_parts.TASKS for sizes in parts)
    assert [sizes for sizes in parts if sum(sizes) > ledger_parts.FACTS] == [[50]]


async def test_one_that_breaks_off_leaves_every_row_as_it_was_or_as_it_should_be(
    ledger_env: LedgerEnv,
) -> None:
    await filled(ledger_env)
    await damaged(ledger_env)
    before = {row["key"]: row for row in ledger_env.rows(TASK) if row["account"] == ACCOUNT}
    right = {row["key"]: row for row in ledger_env.told_by_the_ledger()["task"]}
    with while_folding("r040", broken), pytest.raises(KeyboardInterrupt):
        rebuild(ledger_env.store)
    after = {row["key"]: row for row in ledger_env.rows(TASK) if row["account"] == ACCOUNT}
    assert after.keys() >= before.keys()
    assert all(row in (before.get(key), right.get(key)) for key, row in after.items())
    assert before != after != right
    rebuild(ledger_env.store)
    assert ledger_env.derived() == ledger_env.told_by_the_ledger()


async def test_tasks_with_facts_that_wait_are_counted_and_not_compared_until_the_folder_has_folded_them(
    ledger_env: LedgerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Throttle, "allows", lambda _: False)
    await filled(ledger_env)
    subjects = [("r001", None), ("new", None), (None, "103"), (None, "77")]
    late = [hook("success", 1_060.0, about=about, copy=copy) for about in subjects for copy in range(2)]
    await ledger_env.accept(*map(arrival, late))
    assert verify(ledger_env.store) == Comparison([], 4)
    await tell(ledger_env, update(TASK).where(TASK.c.key == "r002").values(attempts=9))
    (difference,) = verify(ledger_env.store).differences
    assert difference.key == "acme/r002"
    rebuild(ledger_env.store)
    assert ledger_env.derived() == ledger_env.told_by_the_ledger()
    assert verify(ledger_env.store) == Comparison([], 4), "their marks are left to the folder"
    monkeypatch.undo()
    await asyncio.wait_for(ledger_env.caught_up(), 20)
    assert ledger_env.rows(DIRTY_TASK) == []
    assert ledger_env.derived() == ledger_env.told_by_the_ledger()
    assert verify(ledger_env.store) == SOUND
