import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import select

from receiver.app import create_projector
from receiver.domain.facts import Fact
from receiver.domain.fields import FieldReader, HookFields
from receiver.domain.fold import fold
from receiver.domain.timeline import Timeline
from receiver.inbox.inbox import StoreInbox
from receiver.inbox.reader import InboxReader
from receiver.inbox.tables import SET_ASIDE
from receiver.ledger.backlog import Background
from receiver.ledger.folder import Folder
from receiver.ledger.throttle import Throttle
from receiver.observability.metrics import Metrics
from receiver.runtime.clock import WallClock
from tests.http.api_env import T0, ApiEnv
from tests.http.faults import (
    raw_hook,
    resting_rig_on,
    set_hook_aside,
)

pytestmark = pytest.mark.anyio

RETRY = "/v1/set-aside/retry"


@pytest.fixture
async def api_env(store_target: str) -> AsyncIterator[ApiEnv]:
    async with resting_rig_on(store_target) as api_env:
        yield api_env


def ids(answer: dict[str, Any]) -> list[str]:
    return [each["id"] for each in answer["set_aside"]]


class Mended:
    """Code of the receiver that fails until it is mended."""

    def __init__(self) -> None:
        self.is_broken = True

    def check(self) -> None:
        if self.is_broken:
            raise ValueError("not a number: +79161234567")

    def fold(self, facts: Iterable[Fact]) -> Timeline:
        self.check()
        return fold(facts)


class Reader(FieldReader):
    """Reads fields unless the code is broken."""

    def __init__(self, code: Mended) -> None:
        super().__init__()
        self._code = code

    def read(self, payload: Iterable[tuple[str, str]]) -> HookFields:
        self._code.check()
        return super().read(payload)


@asynccontextmanager
async def workers(api_env: ApiEnv, reading: Mended, folding: Mended) -> AsyncIterator[InboxReader]:
    """Reader and folder at work."""
    background = Background(api_env.store, Metrics(), Throttle(time.process_time), WallClock())
    folder = Folder(background, create_projector(folding.fold))
    inbox = StoreInbox(api_env.store, 1000, 1_000_000)
    reader = InboxReader(inbox, Reader(reading), background, folder.backlog)
    stop = asyncio.Event()
    running = [asyncio.create_task(worker.run(stop)) for worker in (reader, folder)]
    try:
        yield reader
    finally:
        stop.set()
        await asyncio.gather(*running)


async def until(api_env: ApiEnv, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The list once it is as wanted."""
    async with asyncio.timeout(10):
        while not wanted(answer := await api_env.get("/v1/set-aside")):
            await asyncio.sleep(0.05)
    return answer


async def send(api_env: ApiEnv, reader: InboxReader, hook_id: str, **changes: Any) -> None:
    """A hook that has just been taken in."""
    await StoreInbox(api_env.store, 1000, 1_000_000).append([raw_hook(hook_id, time.time(), **changes)], T0)
    reader.backlog.grow()


async def test_a_running_receiver_reads_and_folds_within_seconds_after_a_retry(api_env: ApiEnv) -> None:
    reading, folding = Mended(), Mended()
    reading.is_broken = False
    async with workers(api_env, reading, folding) as reader:
        await send(api_env, reader, "h1", ref="r1")
        await until(api_env, lambda answer: ids(answer) == ["r1"])
        reading.is_broken = True
        await send(api_env, reader, "h2", ref="r2")
        listed = await until(api_env, lambda answer: ids(answer) == ["h2", "r1"])
        assert "+7916" not in str(listed)
        reading.is_broken = folding.is_broken = False
        await asyncio.sleep(0.5)
        assert ids(await api_env.get("/v1/set-aside")) == ["h2", "r1"]
        await api_env.ask(RETRY, "subscribe", method="POST")
        began = time.monotonic()
        await until(api_env, lambda answer: ids(answer) == [])
        assert time.monotonic() - began < 4
        await asyncio.wait_for(until_known(api_env, {"r1", "r2"}), 5)


async def until_known(api_env: ApiEnv, refs: set[str]) -> None:
    while {task["ref"] for task in (await api_env.get("/v1/tasks"))["tasks"]} != refs:
        await asyncio.sleep(0.05)


async def test_hooks_that_keep_coming_do_not_hold_up_a_retry(api_env: ApiEnv) -> None:
    reading, folding = Mended(), Mended()
    folding.is_broken = False
    async with workers(api_env, reading, folding) as reader:
        await send(api_env, reader, "broken")
        await until(api_env, lambda answer: ids(answer) == ["broken"])
        reading.is_broken = False
        await api_env.ask(RETRY, "subscribe", method="POST")
        async with asyncio.timeout(6):
            number = 0
            while ids(await api_env.get("/v1/set-aside")):
                number += 1
                await send(api_env, reader, f"h{number}")
                await asyncio.sleep(0.1)


async def test_many_hooks_are_retried_without_a_pause_in_between(
    api_env: ApiEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.inbox.reader._RETRIED", 5)
    reading, folding = Mended(), Mended()
    reading.is_broken = folding.is_broken = False
    for number in range(40):
        await set_hook_aside(api_env.store, raw_hook(f"h{number}", T0), T0)
    async with workers(api_env, reading, folding):
        await until(api_env, lambda answer: ids(answer) == [])


async def test_two_receivers_that_retry_the_same_hooks_leave_none_of_them_set_aside(
    api_env: ApiEnv, store_target: str
) -> None:
    for number in range(60):
        await set_hook_aside(api_env.store, raw_hook(f"h{number}", T0), T0)
    reading, folding = Mended(), Mended()
    reading.is_broken = folding.is_broken = False
    async with resting_rig_on(store_target) as other:
        async with workers(api_env, reading, folding), workers(other, reading, folding):
            await until(api_env, lambda answer: ids(answer) == [])
        assert (await api_env.get("/v1/summary"))["deliveries"]["total"] == 60


async def test_what_fails_again_stays_with_one_failure_more_and_a_longer_pause(api_env: ApiEnv) -> None:
    reading, folding = Mended(), Mended()
    folding.is_broken = False
    async with workers(api_env, reading, folding) as reader:
        await send(api_env, reader, "broken")
        await until(api_env, lambda answer: ids(answer) == ["broken"])
        await api_env.ask(RETRY, "subscribe", method="POST")
        (hook,) = (await until(api_env, lambda answer: answer["set_aside"][0]["failures"] == 2))["set_aside"]
    (row,) = await api_env.store.read(lambda connection: connection.execute(select(SET_ASIDE)).all())
    assert 110 < row.retry_at - time.time() <= 120
    assert hook["retry_at"] is not None
