import asyncio
from collections.abc import Callable

import httpx2
import pytest
from starlette.responses import Response

from receiver.errors import QuotaExhaustedError, SchedulerAuthError, SchedulerUnreachableError
from receiver.observability.metrics import Metrics
from receiver.scheduler.client import SchedulerClient
from receiver.scheduler.exchange import Exchange
from receiver.scheduler.session import TokenSource
from tests.scheduler.scheduler_env import (
    ACCOUNT,
    QUEUE,
    SECRET,
    TOKEN,
    Script,
    Seen,
    SteppedClock,
    lost,
    outcomes,
    reply,
)

pytestmark = pytest.mark.anyio


def accept(*tokens: str) -> Callable[[Seen], Response]:
    def answer(seen: Seen) -> Response:
        good = seen.headers["authorization"].removeprefix("Bearer ") in tokens
        return reply({"id": 7}) if good else reply({"message": "Unauthorized", "status": "error"}, 401)

    return answer


async def test_one_token_serves_many_calls(client: SchedulerClient, script: Script) -> None:
    script.on("GET", QUEUE, reply({"id": 7}))
    for _ in range(3):
        await client.get_queue(7)
    (asked,) = script.asked("POST", TOKEN)
    assert asked.body == f"grant_type=client_credentials&client_id=app&client_secret={SECRET}".encode()
    assert {seen.headers["authorization"] for seen in script.asked("GET", QUEUE)} == {"Bearer token-1"}


async def test_a_token_is_renewed_before_it_expires(
    client: SchedulerClient, script: Script, clock: SteppedClock
) -> None:
    script.on("GET", QUEUE, reply({"id": 7}))
    await client.get_queue(7)
    clock.time += 3539
    await client.get_queue(7)
    assert script.tokens == 1
    clock.time += 2
    await client.get_queue(7)
    assert script.tokens == 2


async def test_concurrent_callers_share_one_renewal_of_a_revoked_token(
    client: SchedulerClient, script: Script, metrics: Metrics
) -> None:
    script.on("GET", QUEUE, accept("token-1"))
    await client.get_queue(7)
    script.on("GET", QUEUE, accept("token-2"))
    await asyncio.gather(*(client.get_queue(7) for _ in range(10)))
    assert script.tokens == 2
    assert outcomes(metrics, "get_queue")["ok"] == 11
    assert outcomes(metrics, "get_queue")["unauthorized"] == 10


async def test_a_fresh_token_that_is_refused_is_not_renewed_again_and_again(
    client: SchedulerClient, script: Script, clock: SteppedClock
) -> None:
    script.on("GET", QUEUE, accept("none"))
    for _ in range(3):
        with pytest.raises(SchedulerAuthError):
            await client.get_queue(7)
    assert script.tokens == 2
    clock.time += 61
    script.on("GET", QUEUE, accept("token-3"))
    assert (await client.get_queue(7)).id == "7"


async def test_refused_credentials_are_not_hammered(
    client: SchedulerClient, script: Script, clock: SteppedClock
) -> None:
    script.on("POST", TOKEN, reply({"error": "invalid_grant"}, 400))
    results = await asyncio.gather(*(client.get_queue(7) for _ in range(5)), return_exceptions=True)
    assert {type(result) for result in results} == {SchedulerAuthError}
    assert "invalid_grant" in str(results[0])
    with pytest.raises(SchedulerAuthError):
        await client.get_queue(7)
    assert len(script.seen) == 1
    clock.time += 61
    with pytest.raises(SchedulerAuthError):
        await client.get_queue(7)
    assert len(script.seen) == 2


async def test_the_secret_never_comes_back_in_an_error(client: SchedulerClient, script: Script) -> None:
    script.on("POST", TOKEN, reply({"error": f"bad {SECRET}"}, 401))
    with pytest.raises(SchedulerAuthError) as caught:
        await client.get_queue(7)
    assert SECRET not in str(caught.value)


async def test_a_lost_token_answer_is_asked_for_again(client: SchedulerClient, script: Script) -> None:
    script.on("POST", TOKEN, lost(), reply({"access_token": "t", "expires_in": "60"}))
    script.on("GET", QUEUE, reply({"id": 7}))
    assert (await client.get_queue(7)).id == "7"


async def test_callers_share_a_failed_renewal_too(script: Script, clock: SteppedClock) -> None:
    script.on("POST", TOKEN, lost())
    exchange = Exchange(ACCOUNT, clock, Metrics(), httpx2.ASGITransport(app=script.app))
    tokens = TokenSource(exchange, clock)
    results = await asyncio.gather(*(tokens.token() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(result, SchedulerUnreachableError) for result in results)
    assert exchange.calls == 1
    with pytest.raises(SchedulerUnreachableError):
        await tokens.token()
    assert exchange.calls == 2


@pytest.mark.parametrize("answer", [{}, [], {"access_token": 5}, {"access_token": "a\nb"}])
async def test_an_answer_without_a_token_is_no_usable_answer(
    client: SchedulerClient, script: Script, answer: object
) -> None:
    script.on("POST", TOKEN, reply(answer))
    with pytest.raises(SchedulerUnreachableError, match="token"):
        await client.get_queue(7)


async def test_a_quota_answer_at_the_token_blocks_the_account(
    client: SchedulerClient, script: Script
) -> None:
    script.on("POST", TOKEN, reply({"status": "rate_limit_exceeded"}, 429))
    for _ in range(2):
        with pytest.raises(QuotaExhaustedError):
            await client.get_queue(7)
    assert len(script.seen) == 1
