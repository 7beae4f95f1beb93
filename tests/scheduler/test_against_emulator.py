"""Client and emulator together: written apart, they must agree, and no fault may create a task twice."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2
import pytest

from receiver.domain.fields import call_key
from receiver.domain.moments import read_moment, utc_text
from receiver.emulator.config import EmulatorConfig
from receiver.emulator.emulator import Emulator, create_emulator
from receiver.emulator.faults import PROFILES, Faults
from receiver.emulator.quirks import QuirkName
from receiver.errors import (
    AmbiguousCreateError,
    QuotaExhaustedError,
    SchedulerAuthError,
    SchedulerNotFoundError,
    SchedulerRefusedError,
    SchedulerUnreachableError,
)
from receiver.observability.metrics import Metrics
from receiver.runtime.clock import WallClock
from receiver.scheduler.account import SchedulerAccount
from receiver.scheduler.client import SchedulerClient
from receiver.scheduler.wire import NewQueue, NewTask, QueueChange, TaskRecord
from tests.scheduler.scheduler_env import new_task

pytestmark = pytest.mark.anyio
SPEED = 300.0
CALM = EmulatorConfig(history_seconds=0.5)
ACCOUNT = SchedulerAccount(
    name="demo",
    base_url="http://emulator.test/api/ver1.0",
    client_id="10001",
    oauth_client_id="demo-application",
    oauth_client_secret="demo-secret",
    timeout=600.0,
)


class World:
    """A running emulator and a client of it on one fast clock; hooks lead nowhere."""

    def __init__(self, config: EmulatorConfig) -> None:
        self.clock = WallClock(SPEED, time.time())
        hooks = httpx2.MockTransport(lambda _: httpx2.Response(204))
        self.emulator: Emulator = create_emulator(config, clock=self.clock, hook_transport=hooks)
        transport = httpx2.ASGITransport(app=self.emulator.app)
        self.client = SchedulerClient(
            ACCOUNT, clock=self.clock, rng=random.Random(1), metrics=Metrics(), transport=transport
        )

    async def queue(self, status: str = "on") -> str:
        queue = NewQueue.model_validate({"name": "q", "status": status, "concurrent_task_limit": 50})
        return (await self.client.create_queue(queue)).id

    async def queue_in_spite_of_faults(self) -> str:
        for _ in range(20):
            try:
                return await self.queue()
            except AmbiguousCreateError:
                continue
            except QuotaExhaustedError as error:
                await self.clock.sleep(error.reset_at - self.clock.now() + 1)
        raise AssertionError("no queue could be made")

    async def settled(self) -> None:
        async with asyncio.timeout(20):
            while not self.emulator.status()["idle"]:
                await self.clock.sleep(5)


@asynccontextmanager
async def world(config: EmulatorConfig = CALM) -> AsyncIterator[World]:
    made, stop = World(config), asyncio.Event()
    running = asyncio.create_task(made.emulator.run(stop))
    try:
        async with made.client:
            yield made
    finally:
        stop.set()
        await running


async def test_a_queue_lives_and_dies() -> None:
    async with world() as w:
        queue = await w.client.create_queue(NewQueue(name="q", comment="c"))
        assert (queue.name, queue.is_on, queue.created_at is not None) == ("q", False, True)
        changed = await w.client.change_queue(queue.id, QueueChange(status="on", concurrent_task_limit=3))
        assert (changed.is_on, changed.concurrent_task_limit, changed.comment) == (True, 3, "c")
        assert [q.id for q in await w.client.list_queues()] == [queue.id]
        await w.client.delete_queue(queue.id)
        with pytest.raises(SchedulerNotFoundError):
            await w.client.get_queue(queue.id)


@pytest.mark.parametrize("shape", ["array", "tasks", "task", "results", "items"])
async def test_tasks_come_back_as_sent_in_every_list_shape(shape: str) -> None:
    async with world(EmulatorConfig(list_shape=shape)) as w:  # type: ignore[arg-type]
        queue_id = await w.queue("off")
        start = w.clock.now() // 1 + 3600
        sent = [new_task(n, try_count=3, try_again_pause=60, start_time_utc=start) for n in range(230)]
        created = await w.client.create_tasks(queue_id, sent)
        assert [task.urls for task in created] == [task.urls for task in sent]
        assert [task.id async for task in w.client.iter_tasks(queue_id)] == [task.id for task in created]
        task = await w.client.get_task(queue_id, created[5].id)
        assert (task.name, task.try_count, task.pause) == ("ref-5", 3, 60.0)
        assert (task.starts_at, task.start_time_utc) == (start, utc_text(start))
        await w.client.delete_task(queue_id, task.id)
        with pytest.raises(SchedulerNotFoundError):
            await w.client.get_task(queue_id, task.id)


async def test_a_finished_task_leads_to_its_call() -> None:
    async with world(replace(CALM, answer_rate=1.0)) as w:
        queue_id = await w.queue()
        await w.client.create_tasks(queue_id, [new_task(n) for n in range(3)])
        await w.settled()
        tasks = [task async for task in w.client.iter_tasks(queue_id)]
        assert [task.finish_result for task in tasks] == ["success"] * 3
        calls = await asyncio.gather(*(w.client.get_call(task.cdr or "") for task in tasks))
        assert [call.key for call in calls] == [call_key(task.cdr) for task in tasks]
        for call in calls:
            begun, ended = read_moment(call.init_time_gmt), read_moment(call.hangup_time_gmt)
            assert call.result == "bridged"
            assert len(call.cdr) == 2
            assert begun is not None
            assert ended is not None
            assert begun < ended


async def test_what_the_scheduler_refuses_is_named_without_the_number() -> None:
    async with world() as w:
        queue_id = await w.queue()
        wrong = NewTask(a_number="79001234567x", b_number="2", url_after="no url")
        with pytest.raises(SchedulerRefusedError) as caught:
            await w.client.create_tasks(queue_id, [wrong])
        assert caught.value.status == 400
        assert "7900" not in str(caught.value)


async def test_the_quota_ends_and_comes_back() -> None:
    async with world(replace(CALM, quota=3)) as w:
        for _ in range(3):
            await w.client.list_queues()
        assert (w.client.quota.limit, w.client.quota.remaining) == (3, 0)
        with pytest.raises(QuotaExhaustedError) as caught:
            await w.client.list_queues()
        assert 0 < caught.value.reset_at - w.clock.now() <= 3601
        assert not w.client.quota.allows(1.0)


async def test_revoked_tokens_are_renewed_until_it_is_hopeless() -> None:
    async with world(replace(CALM, token_ttl=150.0)) as w:
        await w.queue()
        await w.clock.sleep(160)
        assert len(await w.client.list_queues()) == 1
    async with world(replace(CALM, faults=Faults(early_401=1.0))) as w:
        with pytest.raises(SchedulerAuthError):
            await w.client.list_queues()


async def test_an_api_in_ruins_is_unreachable() -> None:
    async with world(replace(CALM, faults=Faults(error_before=1.0))) as w:
        with pytest.raises(SchedulerUnreachableError):
            await w.client.list_queues()


async def test_a_creation_whose_answer_is_always_lost_is_found() -> None:
    async with world(replace(CALM, faults=Faults(lose_create=1.0))) as w:
        queue_id = await w.queue()
        created = await w.client.create_tasks(queue_id, [new_task(n) for n in range(120)])
        assert [task.name for task in created] == [f"ref-{n}" for n in range(120)]
        assert w.emulator.truth()["totals"]["tasks"] == 120


async def persist(w: World, queue_id: str, tasks: list[NewTask]) -> list[TaskRecord]:
    """As a caller would: wait for the quota, try again what surely was not created."""
    for _ in range(20):
        try:
            return await w.client.create_tasks(queue_id, tasks)
        except QuotaExhaustedError as error:
            await w.clock.sleep(error.reset_at - w.clock.now() + 1)
        except (SchedulerUnreachableError, SchedulerAuthError):
            await w.clock.sleep(61)
    raise AssertionError("the quota never came back")


HARSH = replace(PROFILES["heavy"], lose_create=0.3, error_before=0.1, error_after=0.1)
LISTS: list[QuirkName] = [
    "capped_lists",
    "page_ignored",
    "small_pages",
    "newest_first",
    "shifting_lists",
    "no_urls_in_lists",
]


@pytest.mark.parametrize("seed", range(6))
async def test_heavy_faults_never_create_a_task_twice_nor_lose_one_unsaid(seed: int) -> None:
    await create_and_compare(EmulatorConfig(seed=seed, faults=HARSH), least=100)


@pytest.mark.parametrize("quirk", LISTS)
@pytest.mark.parametrize("cap", [35, 100])
async def test_no_list_that_tells_too_little_makes_a_task_be_created_twice(
    quirk: QuirkName, cap: int
) -> None:
    faults = replace(HARSH, quirk=0.0)
    config = EmulatorConfig(seed=cap, faults=faults, quirks=frozenset({quirk}), list_cap=cap)
    await create_and_compare(config, least=50)


async def create_and_compare(config: EmulatorConfig, least: int) -> None:
    """Create 200 tasks and compare with the truth. `least`: number that must be known to exist."""
    async with world(config) as w:
        queue_id = await w.queue_in_spite_of_faults()
        created: set[str | None] = set()
        doubtful: set[str] = set()
        for first in range(0, 200, 10):
            tasks = [new_task(n) for n in range(first, first + 10)]
            try:
                records = await persist(w, queue_id, tasks)
                assert [record.name for record in records] == [task.name for task in tasks]
                created |= {record.name for record in records}
            except AmbiguousCreateError as error:
                doubtful |= set(error.refs)
        truth = Counter(task["name"] for task in w.emulator.truth()["tasks"])
        assert max(truth.values()) == 1
        assert created <= truth.keys()
        assert len(created) + len(doubtful) <= 200
        assert {f"ref-{n}" for n in range(200)} - truth.keys() <= doubtful
        assert len(created) >= least
