"""Missing hooks while deliveries of the account are of no task: suspected, not claimed to be lost."""

from functools import partial
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from receiver.domain.facts import unpack
from receiver.domain.fields import DEFAULT_ALIASES, FieldReader
from receiver.domain.transitions import STATES
from receiver.inbox import set_aside_sql
from receiver.inbox.inbox import RawHook
from receiver.inbox.reading import unread
from receiver.inbox.rereader import Rereader, Selection
from receiver.ledger.rebuild import Comparison
from receiver.ledger.tables import DELIVERY
from receiver.maintenance import expiry
from tests.ledger.projecting import verify
from tests.reconcile.reconcile_env import POLICY, PUBLIC, SECRET, ReconcileEnv, minted, reconcile_env
from tests.reconcile.scripted import Scripted
from tests.simulation.loop import run

FAILED = {"status": "finished", "finish_result": "failed", "try_count": 1}
LATER = 1200 + POLICY.margins["settle"]
FIXED = {f"url_{event}": f"{PUBLIC}/hooks/north/{event}/{SECRET}" for event in ("before", "after")}
RIGHT = FieldReader(DEFAULT_ALIASES | {"task_id": ("Nummer", "id")})


async def ended(it: ReconcileEnv, scheduler: Scripted, **task: Any) -> None:
    """A task of fixed URLs ends, and is settled."""
    scheduler.add("5", {"id": "1", **FIXED, **task})
    await it.tasks.once()
    scheduler.queues["5"]["1"] |= FAILED
    await it.work(LATER)


async def read_again(it: ReconcileEnv) -> None:
    """With the right mapping; then there is time to think about it."""
    rereading = Rereader(it.store, RIGHT, it.clock, is_dry=False)
    async for _ in rereading.parts(Selection()):
        pass
    it.wired.folder.backlog.grow()
    await it.wired.caught_up()
    await it.work(120)


def hooks(it: ReconcileEnv, key: str = "#1") -> tuple[dict[str, int], dict[str, int]]:
    """Lost and suspected ones of a settled task."""
    task = it.task(key)
    assert task["settled"]
    return task["lost"], it.findings("suspected_hook")


def count(it: ReconcileEnv, name: str, event: str) -> float:
    return it.metrics.registry.get_sample_value(f"callback_{name}_hooks_total", {"event": event}) or 0.0


def test_a_missing_hook_that_may_have_come_without_a_name_is_suspected(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        async with reconcile_env(tmp_path, scheduler.app) as it:
            with capture_logs() as logs:
                await it.fixed_hook("after", Nummer="1")
                await ended(it, scheduler)
            assert hooks(it) == ({"before": 1}, {"after": 1})
            assert (count(it, "lost", "after"), count(it, "expected", "after")) == (0, 0)
            assert (count(it, "lost", "before"), count(it, "expected", "before")) == (1, 1)
            (told,) = [log for log in logs if "perhaps not lost" in log["event"]]
            assert (told["account"], told["tasks"], told["name_no_task"]) == ("north", 1, ["after"])
            assert "receiver reread" in told["event"]
            assert verify(it.store) == Comparison([], 0)

    run(story())


def test_once_it_was_read_again_as_the_tasks_own_nothing_is_missing(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.fixed_hook("before", Nummer="1")
            await it.fixed_hook("after", Nummer="1")
            await ended(it, scheduler)
            assert (hooks(it), it.findings("drift")) == (({}, {"before": 1, "after": 1}), {})
            await read_again(it)
            assert hooks(it) == ({}, {})
            assert it.task("#1")["arrived"] == {"before": 1, "before_again": 0, "success": 0, "after": 1}
            assert it.findings("anomaly") == {}
            assert verify(it.store) == Comparison([], 0)

    run(story())


def test_what_is_missing_still_once_all_are_placed_is_lost_and_counted_once(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.fixed_hook("after", Nummer="2")
            await ended(it, scheduler)
            assert hooks(it) == ({"before": 1}, {"after": 1})
            await read_again(it)
            assert hooks(it) == ({"before": 1, "after": 1}, {})
            await it.work(4000)
            # One came, of the other task.
            assert (count(it, "lost", "after"), count(it, "expected", "after")) == (1, 2)
            words = [unpack("settled", row["said"]) for row in it.facts("settled") if row["task_id"] == "1"]
            assert len(words) == 2
            assert verify(it.store) == Comparison([], 0)

    run(story())


def test_a_restart_ends_suspicions_as_well(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.fixed_hook("after", Nummer="2")
            await ended(it, scheduler)
            rereading = Rereader(it.store, RIGHT, it.clock, is_dry=False)
            async for _ in rereading.parts(Selection()):
                pass
            it.restart()
            await it.tasks.once()
            assert hooks(it) == ({"before": 1, "after": 1}, {})

    run(story())


def test_a_suspicion_ends_where_the_deliveries_are_deleted_as_too_old(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.fixed_hook("after", nothing="known")
            await ended(it, scheduler)
            ids = [row["id"] for row in it.rows(DELIVERY)]
            await it.store.write(partial(expiry.delete_deliveries, ids=ids))
            await it.work(120)
            assert hooks(it) == ({"before": 1, "after": 1}, {})

    run(story())


def test_a_task_whose_urls_name_it_has_no_share_in_what_names_no_task(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.fixed_hook("after", Nummer="2")
            await ended(it, scheduler, **minted("r1"))
            assert hooks(it, "r1") == ({"before": 1, "after": 1}, {})

    run(story())


def test_what_came_before_the_task_was_made_is_none_of_its_hooks(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.fixed_hook("after", Nummer="2")
            await it.clock.sleep(600)
            await ended(it, scheduler)
            assert hooks(it) == ({"before": 1, "after": 1}, {})

    run(story())


def test_deliveries_of_another_account_are_none_of_its_hooks(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        async with reconcile_env(tmp_path, scheduler.app) as it:
            url = f"{PUBLIC}/hooks/south/after/{SECRET}"
            assert (await it.hooks.post(url, data={"Nummer": "1"})).status_code == 200
            await it.wired.caught_up()
            await ended(it, scheduler)
            assert hooks(it) == ({"before": 1, "after": 1}, {})

    run(story())


def test_a_hook_that_is_set_aside_may_be_the_missing_one_of_any_task(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted()
        async with reconcile_env(tmp_path, scheduler.app) as it:
            now = it.clock.now()
            hook = RawHook(f"{0:032x}", "north", "after", "r1", now, "GET", b"", (), b"")
            aside = partial(set_aside_sql.add, unread=[unread(hook, "ValueError")], now=now + 1e9)
            await it.store.write(aside)
            await ended(it, scheduler, **minted("r1"))
            assert hooks(it, "r1") == ({"before": 1}, {"after": 1})
            await it.store.write(partial(set_aside_sql.done, name=hook.id))
            await it.work(120)
            assert hooks(it, "r1") == ({"before": 1, "after": 1}, {})

    run(story())


def test_a_withdrawn_hook_is_one_that_names_no_task(tmp_path: Path) -> None:
    """The first mapping took the hook for another task's."""

    async def story() -> None:
        scheduler = Scripted()
        async with reconcile_env(tmp_path, scheduler.app) as it:
            await it.fixed_hook("after", id="99")
            nothing = FieldReader(DEFAULT_ALIASES | {"task_id": ("Nummer",)})
            async for _ in Rereader(it.store, nothing, it.clock, is_dry=False).parts(Selection()):
                pass
            await ended(it, scheduler)
            assert hooks(it) == ({"before": 1}, {"after": 1})

    run(story())


def test_no_stage_of_the_table_is_shown_as_withdrawn() -> None:
    assert "withdrawn" not in STATES.values()
