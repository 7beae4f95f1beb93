"""What a person sends: a test event, one message at once, all that wait, dead letters."""

import asyncio

import pytest
from starlette.responses import Response

from receiver.errors import ConflictError, InputError
from receiver.outcomes.lane import DELAYS_S
from receiver.outcomes.params import ResendBody, RetryBody
from receiver.outcomes.resend_endpoints import resend, retry_messages
from receiver.outcomes.send_endpoints import retry_message, send_test
from tests.factories import START
from tests.outcomes.delivery_env import DeliveryEnv, SteppedClock
from tests.outcomes.subscriber import Received, Subscriber, always, ok
from tests.outcomes.test_sender import life, live

pytestmark = pytest.mark.anyio

ENDS = {"types": ["task.finished"]}
MUCH_LATER = "2060-01-01"


async def test_a_test_event_waits_for_nothing(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    secret = await delivery_env.subscribe(crm.url, state="paused")
    await live(delivery_env, "r1")
    sent = await delivery_env.ask(send_test)
    assert (sent.delivered, sent.status, sent.problem) == (True, 204, None)
    (received,) = crm.received
    received.verify(secret)
    assert (received.id, received.event["type"]) == (sent.event, "receiver.test")
    assert received.headers["user-agent"].startswith("receiver/")
    assert "traceparent" in received.headers
    assert delivery_env.states().count("waiting") == 5
    (attempt,) = delivery_env.attempts()
    assert delivery_env.subscription()["delivered_at"] == attempt["at"]
    assert (attempt["message_seq"], attempt["status"]) == (sent.message, 204)


async def test_a_test_event_that_fails_is_not_sent_again(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    crm.answering = always(410)
    await delivery_env.subscribe(crm.url)
    sent = await delivery_env.ask(send_test)
    assert (sent.delivered, sent.status, sent.answer) == (False, 410, "as told")
    async with delivery_env.delivering():
        await asyncio.sleep(0.3)
    assert len(crm.received) == 1
    assert delivery_env.subscription()["state"] == "active"  # only real events disable it


async def test_a_test_event_fills_a_template_of_real_ones(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    options = {"body": '{"number": "{{ event.data.a_number.e164 }}"}', "types": ["task.finished"]}
    await delivery_env.subscribe(crm.url, format="template", options=options)
    assert (await delivery_env.ask(send_test)).delivered
    assert crm.received[0].event["number"].startswith("+")


async def test_a_message_is_sent_at_once_after_those_before_it(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    crm.answering = always(500)
    await delivery_env.subscribe(crm.url)
    await live(delivery_env, "r1")
    async with delivery_env.delivering():
        await delivery_env.tried(1)
    first, second, third, *_ = delivery_env.messages()
    failed = await delivery_env.ask(retry_message, message=str(third["seq"]))
    assert (failed.delivered, failed.message, failed.sent) == (False, first["seq"], 1)
    tried = delivery_env.messages()[0]
    assert (tried["state"], tried["attempts"], tried["due_at"]) == ("waiting", 2, first["due_at"])
    crm.answering = ok
    sent = await delivery_env.ask(retry_message, message=str(second["seq"]))
    assert (sent.delivered, sent.message, sent.sent) == (True, second["seq"], 2)
    types = [received.event["type"] for received in crm.received]
    assert types == ["task.started"] * 3 + ["task.attempt_started"]
    assert delivery_env.subscription()["failing_since"] is None


async def test_a_message_that_is_settled_is_sent_again_before_all_that_wait(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    await delivery_env.subscribe(crm.url)
    async with delivery_env.delivering():
        await live(delivery_env, "r1")
        await delivery_env.until("delivered", 5)
    await live(delivery_env, "r2")
    again = delivery_env.messages()[0]
    sent = await delivery_env.ask(retry_message, message=str(again["seq"]))
    assert sent.delivered
    assert crm.received[-1].id == crm.received[0].id == sent.event
    assert delivery_env.states().count("waiting") == 5
    crm.answering = always(500)
    failed = await delivery_env.ask(retry_message, message=str(again["seq"]))
    assert not failed.delivered
    (open_,) = delivery_env.messages(seq=failed.message)
    assert (open_["state"], open_["replay"]) == ("waiting", 2)
    assert open_["due_at"] > delivery_env.clock.now()


async def test_a_held_message_and_one_under_way_are_refused(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    await delivery_env.subscribe(crm.url, certainty="reconciled", max_wait_s=1e11, filter=ENDS)
    await delivery_env.ledger_env.ledger.record(life("r1")[:2])
    (held,) = delivery_env.messages()
    with pytest.raises(ConflictError, match="until the API has confirmed"):
        await delivery_env.ask(retry_message, message=str(held["seq"]))
    await delivery_env.ledger_env.ledger.record(life("r1")[2:])

    async def slowly(_received: Received) -> Response:
        await asyncio.sleep(0.5)
        return Response(status_code=204)

    crm.answering = slowly
    async with delivery_env.delivering():
        await crm.until(1)
        with pytest.raises(ConflictError, match="being sent"):
            await delivery_env.ask(retry_message, message=str(held["seq"]))
    assert len(crm.received) == 1


async def test_all_that_wait_for_a_later_attempt_are_sent_now(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    delivery_env.clock = clock = SteppedClock(START + 1000)
    crm.answering = always(429, retry_after="3000")
    await delivery_env.subscribe(crm.url, filter=ENDS)
    await live(delivery_env, "r1", "r2")
    async with delivery_env.delivering():
        await delivery_env.tried(2)
        await asyncio.sleep(0.2)
        crm.answering = ok
        clock.time += 1.0
        counted = await delivery_env.ask(retry_messages, RetryBody(waiting=True, dry_run=True))
        assert (counted.waiting, counted.dead, counted.dry_run) == (2, 0, True)
        assert (
            await delivery_env.ask(retry_messages, RetryBody(waiting=True, since=MUCH_LATER))
        ).waiting == 0
        assert (await delivery_env.ask(retry_messages, RetryBody(waiting=True))).waiting == 2
        clock.time += 1.1  # the sender reads the subscriptions again
        await delivery_env.until("delivered", 2)
    assert clock.time < START + 1000 + DELAYS_S[0]
    assert delivery_env.subscription()["slow_until"] is None


async def test_dead_letters_are_resent(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    crm.answering = always(410)
    await delivery_env.subscribe(crm.url, filter=ENDS)
    await live(delivery_env, "r1", "r2")
    async with delivery_env.delivering():
        await delivery_env.until("dead", 2)
    await delivery_env.change(state="active")
    crm.answering = ok
    assert (await delivery_env.ask(retry_messages, RetryBody(dead=True, since=MUCH_LATER))).dead == 0
    assert (await delivery_env.ask(retry_messages, RetryBody(dead=True))).dead == 2
    async with delivery_env.delivering():
        await delivery_env.until("delivered", 2)
    assert delivery_env.states().count("replayed") == 2
    with pytest.raises(InputError, match="waiting, dead or both"):
        await delivery_env.ask(retry_messages, RetryBody())


async def test_what_is_resent_does_not_queue_behind_what_waits(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    await delivery_env.subscribe(crm.url, filter=ENDS, concurrency=1)
    async with delivery_env.delivering():
        await live(delivery_env, "old")
        await delivery_env.until("delivered", 1)
    await live(delivery_env, *(f"r{number}" for number in range(10)))
    event = delivery_env.messages()[0]
    (outcome,) = [row for row in delivery_env.outcomes() if row["seq"] == event["outcome_seq"]]
    await delivery_env.ask(resend, ResendBody(events=[outcome["id"]]))
    async with delivery_env.delivering():
        await crm.until(12)
    assert crm.received[1].id == crm.received[0].id


async def test_a_resent_event_does_not_wait_for_its_task(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    async def answer(received: Received) -> Response:
        return Response(status_code=500 if received.event["type"] == "task.finished" else 204)

    crm.answering = answer
    await delivery_env.subscribe(crm.url, filter={"types": ["task.started", "task.finished"]})
    async with delivery_env.delivering():
        await live(delivery_env, "r1")
        await delivery_env.tried(2)
        (started,) = [row for row in delivery_env.outcomes() if row["type"] == "task.started"]
        await delivery_env.ask(resend, ResendBody(events=[started["id"]]))
        await delivery_env.until("delivered", 2)
    assert delivery_env.states() == ["delivered", "waiting", "delivered"]
