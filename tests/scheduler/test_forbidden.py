"""A 403: a token that has expired, or a right that there is not."""

import asyncio
from collections.abc import Callable

import pytest
from starlette.responses import Response

from receiver.errors import SchedulerRefusedError
from receiver.observability.metrics import Metrics
from receiver.scheduler.client import SchedulerClient
from tests.scheduler.scheduler_env import QUEUE, TOKEN, Script, Seen, SteppedClock, outcomes, reply

pytestmark = pytest.mark.anyio
CALL = "/api/ver1.0/client/@me/call_history/u-1"
FORBIDDEN = reply({"message": "Forbidden"}, 403)


def accept(token: str) -> Callable[[Seen], Response]:
    """An API that answers any other token with 403."""
    return lambda seen: reply({"id": 7}) if seen.headers["authorization"] == f"Bearer {token}" else FORBIDDEN


async def test_a_403_after_the_token_has_worked_is_worth_another_token(
    client: SchedulerClient, script: Script, metrics: Metrics
) -> None:
    script.on("GET", QUEUE, accept("token-1"))
    await client.get_queue(7)
    script.on("GET", QUEUE, accept("token-2"))
    assert (await client.get_queue(7)).id == "7"
    assert outcomes(metrics, "get_queue") == {"ok": 2, "refused": 1}


async def test_callers_that_are_refused_together_share_the_renewal(
    client: SchedulerClient, script: Script
) -> None:
    script.on("GET", QUEUE, accept("token-1"))
    await client.get_queue(7)
    script.on("GET", QUEUE, accept("token-2"))
    answers = await asyncio.gather(*(client.get_queue(7) for _ in range(10)))
    assert {answer.id for answer in answers} == {"7"}
    assert script.tokens == 2


async def test_a_403_of_a_token_that_never_worked_is_a_refusal(
    client: SchedulerClient, script: Script
) -> None:
    script.on("GET", QUEUE, FORBIDDEN)
    with pytest.raises(SchedulerRefusedError):
        await client.get_queue(7)
    assert script.tokens == 1


async def test_a_right_that_there_is_not_costs_a_token_less_and_less_often(
    client: SchedulerClient, script: Script, clock: SteppedClock
) -> None:
    script.on("GET", QUEUE, reply({"id": 7}))
    script.on("GET", CALL, FORBIDDEN)
    for _ in range(720):
        await client.get_queue(7)
        with pytest.raises(SchedulerRefusedError):
            await client.get_call("u-1")
        clock.time += 5
    assert 3 <= script.tokens <= 7


async def test_a_token_that_expires_with_403_is_renewed_each_time(
    client: SchedulerClient, script: Script, clock: SteppedClock
) -> None:
    for number in range(1, 6):
        script.on("GET", QUEUE, accept(f"token-{number}"))
        assert (await client.get_queue(7)).id == "7"
        clock.time += 60


@pytest.mark.parametrize("life", [None, "3600", 3600.0, 0, "0", -1, "-5", 0.001, "soon", True, [], "1e400"])
async def test_whatever_life_a_token_is_said_to_have_it_serves_many_calls(
    client: SchedulerClient, script: Script, life: object
) -> None:
    script.on("POST", TOKEN, reply({"access_token": "t"} | ({} if life is None else {"expires_in": life})))
    script.on("GET", QUEUE, reply({"id": 7}))
    for _ in range(3):
        await client.get_queue(7)
    assert len(script.asked("POST", TOKEN)) == 1
