"""A rebuild runs beside a service that takes in hooks: neither loses what the other one does."""

import asyncio
import subprocess
import sys
from random import Random

import pytest
from sqlalchemy import func, select

from receiver.domain.facts import EVENTS, Fact
from receiver.ledger.append import add_arrivals
from receiver.ledger.rebuild import Comparison
from receiver.ledger.tables import DIRTY_TASK
from receiver.ledger.throttle import Throttle
from receiver.storage.postgres import is_url
from receiver.tasks.tables import TASK
from tests.factories import finished, hook, seen
from tests.ledger.ledger_env import LedgerEnv
from tests.ledger.projecting import PROJECTOR, rebuild, verify
from tests.ledger.rebuild.world import arrival, broken, filled, while_folding

pytestmark = pytest.mark.anyio

SOUND = Comparison([], 0)


def record(ledger_env: LedgerEnv, fact: Fact) -> None:
    """What the ledger's thread does with an observation."""
    with ledger_env.store.transaction() as connection:
        PROJECTOR.record(connection, [fact])


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("folded", ["r000", "9101"])
@pytest.mark.parametrize(
    "heard",
    [
        finished("success", 1_200.0, about=("r000", "100")),
        hook("success", 1_050.0, about=("r000", None)),
        seen("executed", 1_050.0, about=("r000", "9101")),
        seen("executed", 1_050.0, about=("r0000", "9101")),
    ],
    ids=["a record", "a hook", "a link to a known task", "a link to a new task"],
)
async def test_what_is_recorded_between_reading_and_writing_is_not_undone(
    folded: str, heard: Fact, ledger_env: LedgerEnv
) -> None:
    await filled(ledger_env)
    with while_folding(folded, lambda: record(ledger_env, heard)):
        rebuild(ledger_env.store)
    assert heard.id in ledger_env.facts()
    assert ledger_env.derived() == ledger_env.told_by_the_ledger()
    assert verify(ledger_env.store) == SOUND


@pytest.mark.usefixtures("small_parts")
async def test_a_task_whose_ref_has_become_known_does_not_come_back_under_its_id(
    ledger_env: LedgerEnv,
) -> None:
    await filled(ledger_env)
    link = seen("executed", 1_050.0, about=("r000", "9101"))
    linked = while_folding("9101", lambda: record(ledger_env, link))
    with linked, while_folding("9159", broken), pytest.raises(KeyboardInterrupt):
        rebuild(ledger_env.store)
    assert "#9101" not in {row["key"] for row in ledger_env.rows(TASK)}


@pytest.mark.usefixtures("small_parts")
async def test_a_hook_that_comes_meanwhile_is_folded_with_its_part_or_later_and_keeps_its_mark(
    ledger_env: LedgerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Throttle, "allows", lambda _: False)
    await filled(ledger_env)
    done, same, ahead, unheard = "r000", "r030", "r059", "r999"
    hooks = [hook("success", 1_050.0, about=(ref, None)) for ref in (done, same, ahead, unheard)]

    def arrive() -> None:
        with ledger_env.store.transaction() as connection:
            add_arrivals(connection, list(map(arrival, hooks)))

    with while_folding(same, arrive):
        await asyncio.to_thread(rebuild, ledger_env.store)
    folded = {row["key"] for row in ledger_env.rows(TASK) if row["arrived"]["success"]}
    assert folded == {same, ahead}
    assert {row["name"] for row in ledger_env.rows(DIRTY_TASK)} == {done, same, ahead, unheard}
    assert verify(ledger_env.store) == Comparison([], 4)
    monkeypatch.undo()
    await ledger_env.accept(arrival(hook("success", 1_060.0, about=("r059", None))))
    await asyncio.wait_for(ledger_env.caught_up(), 20)
    assert ledger_env.derived() == ledger_env.told_by_the_ledger()


_ELSEWHERE = """
import sys
from receiver.storage.engine import Store
from tests.ledger.projecting import rebuild
for _ in range(2):
    store = Store(sys.argv[1], float(sys.argv[2]) or None)
    rebuild(store)
    store.close()
"""


async def rebuilt(ledger_env: LedgerEnv, where: str) -> None:
    if where == "thread":
        for _ in range(2):
            await asyncio.to_thread(rebuild, ledger_env.store)
    else:
        patience = "0" if is_url(ledger_env.store_target) else "60"
        command = [sys.executable, "-c", _ELSEWHERE, ledger_env.store_target, patience]
        await asyncio.to_thread(subprocess.run, command, check=True, timeout=60)


async def stream(ledger_env: LedgerEnv, name: int, enough: asyncio.Event) -> None:
    """Hooks about tasks that are there and others, as fast as they are acknowledged."""
    rng = Random(name)
    for number in range(10_000):
        if enough.is_set() and number > 20:
            return
        about = (f"r{rng.randrange(300):03}", None)
        hooks = [hook(event, 2_000.0 + number, about=about, copy=name) for event in EVENTS]
        await asyncio.gather(*(ledger_env.accept(arrival(each)) for each in hooks))


async def fewest(ledger_env: LedgerEnv, enough: asyncio.Event) -> int:
    """The smallest number of tasks that any reader saw."""
    query = select(func.count()).select_from(TASK)
    least = len(ledger_env.rows(TASK))
    while not enough.is_set():
        least = min(least, await ledger_env.store.read(lambda connection: connection.scalar(query) or 0))
        await asyncio.sleep(0.005)
    return least


@pytest.mark.usefixtures("some_parts")
@pytest.mark.parametrize("where", ["thread", "process"])
async def test_beside_a_stream_of_hooks_nothing_is_lost_and_no_reader_sees_less(
    where: str, ledger_env: LedgerEnv
) -> None:
    await filled(ledger_env)
    known = len(ledger_env.rows(TASK))
    enough = asyncio.Event()
    streams = asyncio.gather(*(stream(ledger_env, name, enough) for name in range(2)))
    watching = asyncio.create_task(fewest(ledger_env, enough))
    try:
        await asyncio.wait_for(rebuilt(ledger_env, where), 60)
    finally:
        enough.set()
    await asyncio.wait_for(streams, 20)
    await asyncio.wait_for(ledger_env.caught_up(), 20)
    assert await watching == known
    assert ledger_env.rows(DIRTY_TASK) == []
    assert ledger_env.derived() == ledger_env.told_by_the_ledger()
    assert verify(ledger_env.store) == SOUND


@pytest.mark.usefixtures("some_parts")
async def test_to_compare_beside_a_stream_of_hooks_shows_no_difference(ledger_env: LedgerEnv) -> None:
    await filled(ledger_env)
    enough = asyncio.Event()
    streams = asyncio.gather(*(stream(ledger_env, name, enough) for name in range(2)))
    try:
        compared = [await asyncio.to_thread(verify, ledger_env.store) for _ in range(3)]
    finally:
        enough.set()
    await asyncio.wait_for(streams, 20)
    assert [each.differences for each in compared] == [[]] * 3
    await asyncio.wait_for(ledger_env.caught_up(), 20)
    assert verify(ledger_env.store) == SOUND
