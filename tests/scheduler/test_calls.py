"""Every resource, and what its answers and failures become."""

import asyncio
import random
from dataclasses import replace

import httpx2
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from receiver.errors import (
    AmbiguousCreateError,
    QuotaExhaustedError,
    SchedulerNotFoundError,
    SchedulerRefusedError,
    SchedulerUnreachableError,
)
from receiver.observability.metrics import Metrics
from receiver.scheduler.client import SchedulerClient
from receiver.scheduler.session import RetryPolicy
from receiver.scheduler.wire import NewQueue, QueueChange
from tests.scheduler.scheduler_env import (
    ACCOUNT,
    CREATE,
    QUEUE,
    QUEUES,
    TASKS,
    Script,
    Seen,
    SteppedClock,
    lost,
    new_task,
    outcomes,
    reply,
    unsent,
)

pytestmark = pytest.mark.anyio
CALL = "/api/ver1.0/client/@me/call_history/u-1"
STATS_BUSY = {"message": "Stats request already exists, concurrent request not allowed"}


async def test_every_request_carries_the_token_and_takes_gzip(
    client: SchedulerClient, script: Script
) -> None:
    script.on("GET", QUEUE, reply({"id": 7}))
    await client.get_queue(7)
    (seen,) = script.asked("GET", QUEUE)
    assert seen.headers["authorization"] == "Bearer token-1"
    assert all(seen.headers["accept-encoding"] == "gzip" for seen in script.seen)


async def test_queues_are_created_changed_read_and_deleted(client: SchedulerClient, script: Script) -> None:
    script.on("POST", QUEUES, reply({"id": 7, "name": "q", "status": "off"}, 201))
    script.on("PUT", QUEUE, reply({"id": 7, "status": "on"}))
    script.on("GET", QUEUE, reply({"id": 7, "status": "on"}))
    script.on("DELETE", QUEUE, Response(status_code=204))
    assert (await client.create_queue(NewQueue(name="q", concurrent_task_limit=2))).id == "7"
    assert (await client.change_queue(7, QueueChange(status="on", comment=None))).is_on
    assert (await client.get_queue("7")).is_on
    await client.delete_queue(7)
    assert script.asked("POST", QUEUES)[0].json == {"name": "q", "concurrent_task_limit": 2}
    assert script.asked("PUT", QUEUE)[0].json == {"status": "on", "comment": None}


@pytest.mark.parametrize("wrap", [None, "task", "tasks", "results", "items"])
async def test_a_task_is_read_bare_or_wrapped(
    client: SchedulerClient, script: Script, wrap: str | None
) -> None:
    task = {"id": 3, "name": "n"}
    script.on("GET", f"{TASKS}3", reply(task if wrap is None else {wrap: task}))
    assert (await client.get_task(7, 3)).name == "n"


@pytest.mark.parametrize("wrap", [False, True])
async def test_a_call_is_read_bare_or_wrapped(client: SchedulerClient, script: Script, wrap: bool) -> None:
    call = {"call_uuid": "U-1", "result": "bridged"}
    script.on("GET", CALL, reply({"page": 1, "call_history": [call]} if wrap else call))
    assert (await client.get_call("u-1")).key == "u1"


async def test_a_call_without_its_uuid_is_the_one_asked_for(client: SchedulerClient, script: Script) -> None:
    script.on("GET", CALL, reply({"result": "busy"}))
    assert (await client.get_call("u-1")).call_uuid == "u-1"


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, SchedulerNotFoundError), (400, SchedulerRefusedError), (403, SchedulerRefusedError)],
)
async def test_a_4xx_is_not_retried(
    client: SchedulerClient, script: Script, metrics: Metrics, status: int, error: type[Exception]
) -> None:
    script.on("GET", QUEUE, reply({"message": "no: 79001234567"}, status))
    with pytest.raises(error, match=rf"get_queue: {status} no: \*\*\*"):
        await client.get_queue(7)
    assert outcomes(metrics, "get_queue") == {"not_found" if status == 404 else "refused": 1}


@pytest.mark.parametrize("fault", [lost(), reply({}, 502), reply(None, 302), reply([]), reply("text")])
async def test_a_read_survives_faults(
    client: SchedulerClient, script: Script, clock: SteppedClock, fault: Response | Exception
) -> None:
    script.on("GET", QUEUE, fault, fault, reply({"id": 7}))
    assert (await client.get_queue(7)).id == "7"
    assert [0 <= pause <= most for pause, most in zip(clock.slept, (0.5, 1.0), strict=True)] == [True, True]


@pytest.mark.parametrize("fault", [lost(), reply({}, 500), reply({"id": None}), Response("<html>")])
async def test_retries_end_and_name_the_operation(
    client: SchedulerClient, script: Script, metrics: Metrics, fault: Response | Exception
) -> None:
    script.on("GET", QUEUE, fault)
    with pytest.raises(SchedulerUnreachableError, match="get_queue"):
        await client.get_queue(7)
    assert outcomes(metrics, "get_queue") == {"error": 4}


async def test_a_delete_whose_retry_finds_nothing_is_done(client: SchedulerClient, script: Script) -> None:
    script.on("DELETE", f"{TASKS}3", lost(), reply({"message": "Record not found"}, 404))
    await client.delete_task(7, 3)


@pytest.mark.parametrize("first", [reply({}, 404), unsent()])
async def test_a_delete_that_never_acted_and_finds_nothing_is_not_done(
    client: SchedulerClient, script: Script, first: Response | Exception
) -> None:
    script.on("DELETE", f"{TASKS}3", first, reply({}, 404))
    with pytest.raises(SchedulerNotFoundError):
        await client.delete_task(7, 3)


@pytest.mark.parametrize("fault", [lost(), reply({}, 500), reply({"ok": True}), Response("<html>")])
async def test_a_queue_is_never_created_twice(
    client: SchedulerClient, script: Script, fault: Response | Exception
) -> None:
    script.on("POST", QUEUES, fault)
    with pytest.raises(AmbiguousCreateError) as caught:
        await client.create_queue(NewQueue(name="support"))
    assert caught.value.refs == ("support",)
    assert len(script.asked("POST", QUEUES)) == 1


async def test_a_queue_whose_creation_never_left_is_sent_again(
    client: SchedulerClient, script: Script
) -> None:
    script.on("POST", QUEUES, unsent(), reply({"id": 7}))
    assert (await client.create_queue(NewQueue(name="support"))).id == "7"


@pytest.mark.parametrize("body", [{"status": "rate_limit_exceeded"}, {"message": "slow down"}, []])
async def test_a_quota_answer_stops_all_calls_until_the_reset(
    client: SchedulerClient, script: Script, clock: SteppedClock, body: object
) -> None:
    script.on("GET", QUEUE, reply(body, 429, {"X-RateLimit-Reset": "600"}), reply({"id": 7}))
    with pytest.raises(QuotaExhaustedError) as caught:
        await client.get_queue(7)
    assert caught.value.reset_at == clock.now() + 600
    sent = client.calls
    with pytest.raises(QuotaExhaustedError):
        await client.get_call("u-1")
    assert client.calls == sent
    clock.time += 600
    assert (await client.get_queue(7)).id == "7"


async def test_the_quota_is_learnt_from_any_answer(client: SchedulerClient, script: Script) -> None:
    told = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "60"}
    script.on("GET", QUEUE, reply({}, 404, told))
    with pytest.raises(SchedulerNotFoundError):
        await client.get_queue(7)
    assert (client.quota.limit, client.quota.remaining) == (1000, 3)
    assert not client.quota.allows(0.5)


async def test_history_calls_go_one_at_a_time(script: Script, clock: SteppedClock) -> None:
    most = inside = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal most, inside
        inside += 1
        most = max(most, inside)
        await script.app(scope, receive, send)
        await asyncio.sleep(0.001)
        inside -= 1

    script.on("GET", CALL, reply({"result": "busy"}))
    transport = httpx2.ASGITransport(app=app)
    async with SchedulerClient(
        ACCOUNT, clock=clock, rng=random.Random(1), metrics=Metrics(), transport=transport
    ) as client:
        await asyncio.gather(*(client.get_call("u-1") for _ in range(5)))
    assert len(script.asked("GET", CALL)) == 5
    assert most == 1


async def test_a_busy_history_is_no_quota_and_asked_again(
    client: SchedulerClient, script: Script, metrics: Metrics
) -> None:
    busy = reply(STATS_BUSY, 429)
    script.on("GET", CALL, busy, busy, reply({"call_uuid": "u-1"}))
    assert (await client.get_call("u-1")).call_uuid == "u-1"
    assert outcomes(metrics, "get_call") == {"busy": 2, "ok": 1}
    assert client.quota.blocked_until is None


async def test_a_history_that_stays_busy_is_given_up(client: SchedulerClient, script: Script) -> None:
    script.on("GET", CALL, reply(STATS_BUSY, 429))
    with pytest.raises(SchedulerUnreachableError, match="get_call"):
        await client.get_call("u-1")
    assert len(script.asked("GET", CALL)) == 7


async def test_an_answer_beyond_the_bound_is_not_read(script: Script, clock: SteppedClock) -> None:
    script.on("GET", QUEUE, reply({"id": 7, "name": "x" * 5000}))
    account = replace(ACCOUNT, max_answer_bytes=1000)
    transport = httpx2.ASGITransport(app=script.app)
    async with SchedulerClient(
        account, clock=clock, rng=random.Random(1), metrics=Metrics(), transport=transport
    ) as client:
        with pytest.raises(SchedulerUnreachableError, match="too large"):
            await client.get_queue(7)


async def test_calls_are_counted_with_those_for_tokens(client: SchedulerClient, script: Script) -> None:
    script.on("GET", QUEUE, reply({"id": 7}))
    await client.get_queue(7)
    assert client.calls == 2


async def test_a_refused_creation_is_not_ambiguous(client: SchedulerClient, script: Script) -> None:
    script.on("POST", CREATE, reply({"message": "a_number: 79001234567 is wrong"}, 400))
    with pytest.raises(SchedulerRefusedError) as caught:
        await client.create_tasks(7, [new_task(1)])
    assert "7900" not in str(caught.value)
    assert script.asked("GET", TASKS) == []


def _drawn(policy: RetryPolicy, rng: random.Random) -> list[float]:
    pauses = [policy.pause(attempts, rng) for attempts in range(1, policy.attempts + 1)]
    assert pauses.pop() is None
    return [pause for pause in pauses if pause is not None]


def test_pauses_grow_with_full_jitter_up_to_a_bound() -> None:
    policy = RetryPolicy(attempts=8, first=1.0, longest=8.0)
    drawn = [_drawn(policy, random.Random(seed)) for seed in range(200)]
    highest = [max(pauses) for pauses in zip(*drawn, strict=True)]
    for high, bound in zip(highest, (1, 2, 4, 8, 8, 8, 8), strict=True):
        assert 0.9 * bound < high <= bound
    assert min(min(pauses) for pauses in drawn) < 0.05


async def test_a_clock_that_is_put_back_meanwhile_makes_no_request_take_less_than_no_time(
    client: SchedulerClient, script: Script, clock: SteppedClock, metrics: Metrics
) -> None:
    def put_back(_seen: Seen) -> Response:
        clock.time -= 10
        return reply([])

    script.on("GET", QUEUES, put_back)
    assert await client.list_queues() == []
    assert outcomes(metrics, "list_queues") == {"ok": 1}
