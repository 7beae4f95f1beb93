"""Headers, time-out, retry schedule and filters of a subscription, on the way to a subscriber on a socket."""

import asyncio
from typing import Any

import pytest
import structlog
from starlette.responses import Response

from receiver.outcomes.message_endpoints import list_messages
from receiver.outcomes.params import MessageQuery, ResendBody
from receiver.outcomes.resend_endpoints import resend
from tests.factories import START, finished, hook, settled
from tests.http.api_env import ApiEnv, Json
from tests.outcomes.delivery_env import DeliveryEnv
from tests.outcomes.subscriber import Received, Subscriber, always
from tests.outcomes.test_subscriptions import URL, ask, rows, subscribe

pytestmark = pytest.mark.anyio

ENDS = {"types": ["task.finished"]}


async def live(
    delivery_env: DeliveryEnv, ref: str = "r1", result: str = "success", attempts: int = 1, **plan: Any
) -> None:
    """A task ends after some attempts, and the API confirms it."""
    about, known = (ref, None), (ref, f"9{ref}")
    facts = [hook("before", START, about=about)]
    facts += [hook("before_again", START + 90 * number, about=about) for number in range(1, attempts)]
    end = START + 90 * attempts
    facts += [hook("after", end, about=about, result=result)]
    facts += [finished(result, end + 30, about=known, **plan), settled(end + 400, about=known)]
    for fact in facts:
        await delivery_env.ledger_env.ledger.record([fact])


async def test_headers_are_sent_in_place_of_the_formats_own_and_the_signature_stays(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    headers = {"X-Api-Key": "k-4711", "Content-Type": "application/vnd.crm+json"}
    secret = await delivery_env.subscribe(crm.url, filter=ENDS, headers=headers)
    async with delivery_env.delivering():
        await live(delivery_env)
        (received,) = await crm.until(1)
    received.verify(secret)
    assert received.headers["x-api-key"] == "k-4711"
    assert received.headers["content-type"] == "application/vnd.crm+json"


async def test_a_header_that_the_socket_refuses_is_in_no_problem_and_no_log(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    """Another version may have stored it."""
    await delivery_env.subscribe(crm.url, filter=ENDS, headers={"X-Api-Key": "secret\r\nvalue"})
    with structlog.testing.capture_logs() as logs:
        async with delivery_env.delivering():
            await live(delivery_env)
            await delivery_env.tried(1)
    assert crm.received == []
    assert "secret" not in f"{delivery_env.attempts()} {logs}"


async def test_an_attempt_fails_after_the_time_out_of_the_subscription(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    async def hang(_received: Received) -> Response:
        await asyncio.sleep(3)
        return Response(status_code=204)

    crm.answering = hang
    await delivery_env.subscribe(crm.url, filter=ENDS, timeout_s=1.0)
    async with delivery_env.delivering():
        await live(delivery_env)
        await delivery_env.tried(1)
    (attempt,) = delivery_env.attempts()
    assert attempt["problem"] == "no answer within 1 s"
    assert 0.9 < attempt["took_s"] < 2


async def test_a_message_is_tried_again_by_the_schedule_of_the_subscription_and_then_dead(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    crm.answering = always(500)
    await delivery_env.subscribe(crm.url, filter=ENDS, retry_delays_s=[1.0, 2.0])
    async with delivery_env.delivering():
        await live(delivery_env)
        await delivery_env.until("dead", 1)
    first, second, third = (attempt["at"] for attempt in delivery_env.attempts())
    assert 1.0 <= second - first < 1.9
    assert 2.0 <= third - second < 3.1


async def test_a_row_of_the_version_before_has_the_defaults(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    await delivery_env.subscribe(crm.url, filter=ENDS, headers=None, timeout_s=None, retry_delays_s=None)
    async with delivery_env.delivering():
        await live(delivery_env)
        await delivery_env.until("delivered", 1)


FILTERS: list[tuple[Json, list[str]]] = [
    ({"results": ["connected"]}, ["good", "late"]),
    ({"failed_legs": ["unknown"]}, ["agent"]),
    ({"failed_legs": ["a"]}, []),
    ({"extensions": ["305"]}, ["agent"]),
    ({"min_attempts": 2}, ["late"]),
    ({"max_attempts": 1}, ["agent", "good"]),
    ({"min_attempts": 1, "max_attempts": 1, "results": ["no_answer"]}, ["agent"]),
    ({"final": True}, ["agent", "good", "late"]),
    ({"final": False}, []),
    ({"confidence": ["reconciled"]}, ["agent", "good", "late"]),
    ({"confidence": ["events"]}, []),
]


@pytest.mark.parametrize(("accepts", "refs"), FILTERS, ids=[str(accepts) for accepts, _ in FILTERS])
async def test_a_filter_lets_through_the_same_live_and_when_it_is_sent_again(
    delivery_env: DeliveryEnv, crm: Subscriber, accepts: Json, refs: list[str]
) -> None:
    """Confirmed ends, which are known only by the API."""
    waits: Json = {"certainty": "reconciled", "max_wait_s": 4e9}
    await delivery_env.subscribe(crm.url, filter=ENDS | accepts, **waits)
    async with delivery_env.delivering():
        await live(delivery_env, "good", extension_id="306")
        await live(delivery_env, "agent", "failed", extension_id="305", finish_comment="A: no answer")
        await live(delivery_env, "late", attempts=2, extension_id="306")
        await delivery_env.until("delivered", len(refs))
    sent = [received.event["data"] for received in crm.received]
    assert sorted(data["ref"] for data in sent) == refs
    answer = await delivery_env.ask(resend, ResendBody(until=4e9))
    assert answer.sent == len(refs)
    page = await delivery_env.ask(list_messages, query=MessageQuery(limit=100))
    assert sum(message.replay for message in page.messages) == len(refs)


async def test_progress_can_be_chosen_by_attempt(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    """The second attempt is worth a message to a supervisor; the others are not."""
    chosen = {"types": ["task.attempt_started"], "min_attempts": 2, "max_attempts": 2}
    await delivery_env.subscribe(crm.url, filter=chosen)
    async with delivery_env.delivering():
        await live(delivery_env, attempts=3)
        await delivery_env.until("delivered", 1)
    (received,) = crm.received
    assert received.event["data"]["attempts"] == 2
    assert (await delivery_env.ask(resend, ResendBody(until=4e9, dry_run=True))).by_type == {
        "task.attempt_started": 1
    }


async def test_values_of_headers_are_never_shown_and_a_change_keeps_the_others(api_env: ApiEnv) -> None:
    made = await subscribe(api_env, headers={"X-Api-Key": "k-4711", "Authorization": "Bearer crm"})
    assert made["subscription"]["headers"] == {"X-Api-Key": "•••", "Authorization": "•••"}
    path = f"/v1/subscriptions/{made['subscription']['id']}"
    changed = await ask(api_env, path, "PATCH", body={"headers": {"x-api-key": None, "X-Team": "sales"}})
    assert changed["headers"] == {"Authorization": "•••", "X-Team": "•••"}
    await ask(api_env, path, "PATCH", body={"name": "other"})
    (row,) = await rows(api_env)
    assert row["headers"] == {"Authorization": "Bearer crm", "X-Team": "sales"}
    for answer in (await ask(api_env, path), await ask(api_env, "/v1/subscriptions")):
        assert "Bearer" not in str(answer)
    refused = await ask(api_env, path, "PATCH", 400, {"headers": {"X-Team": "•••"}})
    assert "leave a hidden value out to keep it" in refused["error"]["message"]


@pytest.mark.parametrize(
    ("options", "field", "problem"),
    [
        ({"headers": {"Host": "crm.example"}}, "headers", "'Host' is set by the receiver"),
        ({"headers": {"Content-Length": "7"}}, "headers", "'Content-Length' is set by the receiver"),
        ({"headers": {"Webhook-Signature": "v1,x"}}, "headers", "'Webhook-Signature' is set by"),
        ({"headers": {"webhook-id": "x"}}, "headers", "'webhook-id' is set by the receiver"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "headers", "is set by the receiver"),
        ({"headers": {"Accept-Encoding": "gzip"}}, "headers", "is set by the receiver"),
        ({"headers": {"X Y": "secret-value"}}, "headers", "letters, digits"),
        ({"headers": {"X-Y": "secret-value\r\nX-Z: 1"}}, "headers", "'X-Y': use at most 4000"),
        ({"headers": {"X-Y": " secret-value"}}, "headers", "without spaces at the ends"),
        ({"headers": {"X-Y": "secret-value", "x-y": "2"}}, "headers", "given twice"),
        ({"headers": {f"X-{number}": "1" for number in range(21)}}, "headers", "20"),
        ({"timeout_s": 0.5}, "timeout_s", "1"),
        ({"timeout_s": 121}, "timeout_s", "120"),
        ({"retry_delays_s": [0]}, "retry_delays_s", "1"),
        ({"retry_delays_s": [90_000]}, "retry_delays_s", "86400"),
        ({"retry_delays_s": [5] * 31}, "retry_delays_s", "30"),
        ({"filter": {"min_attempts": 3, "max_attempts": 2}}, "filter", "min_attempts 3 is more than"),
        ({"filter": {"failed_legs": ["c"]}}, "filter", "'a', 'b' or 'unknown'"),
    ],
)
async def test_an_option_that_cannot_be_used_is_named_with_its_fix(
    api_env: ApiEnv, options: Json, field: str, problem: str
) -> None:
    refused = await ask(api_env, "/v1/subscriptions", "POST", 400, {"name": "crm", "url": URL} | options)
    assert refused["error"]["field"] == field
    assert problem in refused["error"]["message"]
    assert "secret-value" not in str(refused)
