"""Messages on their way, over real sockets from a real store."""

import asyncio

import pytest
from standardwebhooks import WebhookVerificationError
from starlette.responses import Response

from receiver.domain.facts import Fact
from receiver.outcomes.lane import DELAYS_S, DISABLE_AFTER_S
from tests.factories import START, finished, hook, settled
from tests.outcomes.delivery_env import DeliveryEnv, SteppedClock
from tests.outcomes.subscriber import Received, Subscriber, always, ok

pytestmark = pytest.mark.anyio


def life(ref: str, result: str = "success") -> list[Fact]:
    """Hooks and the API's word on one task, whole."""
    about = (ref, None)
    heard = [hook("before", START, about=about), hook("after", START + 30, about=about, result=result)]
    return [
        *heard,
        finished(result, START + 60, about=(ref, f"9{ref}")),
        settled(START + 400, about=(ref, f"9{ref}")),
    ]


async def live(delivery_env: DeliveryEnv, *refs: str, result: str = "success") -> None:
    """Tasks come and go, their facts one by one."""
    for facts in zip(*(life(ref, result) for ref in refs), strict=True):
        await delivery_env.ledger_env.ledger.record(facts)


async def test_each_event_is_delivered_once_signed_and_in_order(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    secret = await delivery_env.subscribe(crm.url)
    async with delivery_env.delivering():
        await live(delivery_env, "r1", "r2", "r3")
        await delivery_env.until("delivered", 15)
    assert len(crm.received) == 15
    for received in crm.received:
        received.verify(secret)
    assert {each.id for each in crm.received} == {row["id"] for row in delivery_env.outcomes()}
    for ref in ("r1", "r2", "r3"):
        mine = [each.event["type"] for each in crm.received if each.event["data"]["ref"] == ref]
        assert mine == [
            *("task.started", "task.attempt_started"),
            *("task.connected", "task.finished", "task.reconciled"),
        ]
    assert [row["number"] for row in delivery_env.attempts()] == [1] * 15
    assert {row["status"] for row in delivery_env.attempts()} == {204}
    last_at = max(row["at"] for row in delivery_env.attempts())
    assert last_at - 1 <= delivery_env.subscription()["delivered_at"] <= last_at
    assert (
        delivery_env.ledger_env.sample("delivery_attempts_total", subscription="crm", outcome="delivered")
        == 15
    )


async def test_a_changed_byte_fails(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    secret = await delivery_env.subscribe(crm.url, filter={"types": ["task.finished"]})
    async with delivery_env.delivering():
        await live(delivery_env, "r1")
        (received,) = await crm.until(1)
    received.verify(secret)
    forged = Received(received.headers, received.body.replace(b"connected", b"cancelled"))
    with pytest.raises(WebhookVerificationError):
        forged.verify(secret)


async def test_while_a_secret_rotates_both_verify(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    old = await delivery_env.subscribe(crm.url, filter={"types": ["task.finished"]})
    new = await delivery_env.subscribe("http://127.0.0.1:9/", name="other")
    now = delivery_env.clock.now()
    keys = [{"secret": new, "until": None}, {"secret": old, "until": now + 3600}]
    await delivery_env.change(secrets=keys)
    async with delivery_env.delivering():
        await live(delivery_env, "r1")
        await crm.until(1)
        crm.received[0].verify(new)
        crm.received[0].verify(old)
    await delivery_env.change(secrets=[keys[0], {"secret": old, "until": now - 1}])
    async with delivery_env.delivering():
        await live(delivery_env, "r2")
        await crm.until(2)
    crm.received[1].verify(new)
    with pytest.raises(WebhookVerificationError):
        crm.received[1].verify(old)


async def test_a_failure_is_tried_again_with_the_same_id_and_holds_back_what_follows(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    crm.answering = always(500)
    await delivery_env.subscribe(crm.url)
    async with delivery_env.delivering():
        await live(delivery_env, "r1", "r2")
        await crm.until(2)
        await asyncio.sleep(0.4)
        assert len(crm.received) == 2  # the first of each task; the others wait for it
        crm.answering = ok
        await delivery_env.until("delivered", 10, DELAYS_S[0] * 1.2 + 10)
    for ref in ("r1", "r2"):
        first, again, *rest = [each.id for each in crm.received if each.event["data"]["ref"] == ref]
        assert first == again
        assert len({first, *rest}) == 5
    failed = delivery_env.attempts()[0]
    assert (failed["status"], failed["answer"], failed["problem"]) == (500, "as told", "answered 500")


async def test_the_pause_begins_when_the_attempt_has_failed(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    async def late(_received: Received) -> Response:
        await asyncio.sleep(0.5)
        return Response(status_code=500)

    crm.answering = late
    await delivery_env.subscribe(crm.url, filter={"types": ["task.finished"]})
    await live(delivery_env, "r1")
    async with delivery_env.delivering():
        await delivery_env.tried(1)
    assert delivery_env.messages()[0]["due_at"] >= delivery_env.attempts()[0]["at"] + 0.5 + DELAYS_S[0]


async def test_a_subscriber_that_hangs_delays_no_other(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    async def hang(received: Received) -> Response:
        if received.headers["host"].startswith("localhost"):
            await asyncio.sleep(30)
        return Response(status_code=204)

    crm.answering = hang
    await delivery_env.subscribe(crm.url.replace("127.0.0.1", "localhost"), name="hanging")
    await delivery_env.subscribe(crm.url)
    sender = None
    async with asyncio.timeout(15):
        async with delivery_env.delivering() as sender:
            await live(delivery_env, *(f"r{number}" for number in range(10)))
            while len(delivery_env.messages(subscription="crm", state="delivered")) < 50:
                await asyncio.sleep(0.02)
            for task in list(sender._under_way):
                task.cancel()
    assert delivery_env.messages(subscription="hanging", state="delivered") == []


async def test_410_ends_the_subscription_and_the_operator_is_told(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    crm.answering = always(410)
    await delivery_env.subscribe(crm.url)
    await live(
        delivery_env, "r1"
    )  # before, since nothing more is put into the outbox of one that is disabled
    async with delivery_env.delivering():
        await delivery_env.until("dead", 5)
    assert delivery_env.subscription()["state"] == "disabled"
    (event,) = delivery_env.operator_events()
    assert (event["kind"], event["subject"]) == ("subscription.disabled", "crm")
    assert "410" in event["detail"]
    await live(delivery_env, "r2")
    assert len(delivery_env.messages()) == 5  # nothing more is put into its outbox


async def test_a_subscriber_that_asks_for_a_pause_has_it(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    crm.answering = always(429, retry_after="60")
    await delivery_env.subscribe(crm.url, concurrency=2, order="none")
    await live(delivery_env, "r1", "r2", "r3")
    async with delivery_env.delivering():
        await crm.until(1)
        await asyncio.sleep(0.5)
        assert [row for row in delivery_env.messages() if row["claimed_until"] is not None] == []
    assert len(crm.received) <= 2  # what was under way when it asked
    slow_until = delivery_env.subscription()["slow_until"]
    assert slow_until == pytest.approx(delivery_env.clock.now() + 60, abs=5)


async def test_one_failure_after_days_without_traffic_disables_nothing(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    delivery_env.clock = clock = SteppedClock(START + 1000)
    crm.answering = always(500)
    await delivery_env.subscribe(crm.url, filter={"types": ["task.finished"]})
    await live(delivery_env, "r1")
    async with delivery_env.delivering():
        await delivery_env.tried(1)
        crm.answering = ok
        clock.time += 10
        await delivery_env.until("delivered", 1)
        crm.answering = always(500)
        clock.time += DISABLE_AFTER_S
        await live(delivery_env, "r2")
        await delivery_env.tried(3)
    assert (delivery_env.subscription()["state"], delivery_env.subscription()["failing_since"]) == (
        "active",
        clock.time,
    )


async def test_one_that_is_resumed_at_once_after_it_ended_goes_on(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    crm.answering = always(410)
    await delivery_env.subscribe(crm.url)
    await live(
        delivery_env, "r1"
    )  # before, since nothing more is put into the outbox of one that is disabled
    async with delivery_env.delivering():
        await delivery_env.until("dead", 5)
        crm.answering = ok
        await delivery_env.change(state="active")
        await live(delivery_env, "r2")
        await delivery_env.until("delivered", 5)


async def test_nothing_delivered_for_five_days_disables(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    crm.answering = always(500)
    now = delivery_env.clock.now()
    await delivery_env.subscribe(crm.url, failing_since=now - DISABLE_AFTER_S, failed_at=now - 100_000)
    await live(
        delivery_env, "r1"
    )  # before, since nothing more is put into the outbox of one that is disabled
    async with delivery_env.delivering():
        await delivery_env.until("dead", 5)
    assert delivery_env.subscription()["state"] == "disabled"
    assert "5 days" in delivery_env.subscription()["reason"]


async def test_a_redirect_is_not_followed(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    crm.answering = always(307, location=crm.url)
    await delivery_env.subscribe(crm.url, filter={"types": ["task.finished"]})
    async with delivery_env.delivering():
        await live(delivery_env, "r1")
        await crm.until(1)
        await asyncio.sleep(0.3)
    assert len(crm.received) == 1
    assert "redirects are not followed" in delivery_env.attempts()[0]["problem"]


async def test_a_forbidden_address_is_a_failed_attempt_that_says_why(delivery_env: DeliveryEnv) -> None:
    await delivery_env.subscribe("http://10.0.0.1/hook", filter={"types": ["task.finished"]})
    async with delivery_env.delivering():
        await live(delivery_env, "r1")
        await delivery_env.tried(1)
    assert "a private address" in delivery_env.attempts()[0]["problem"]


async def test_paused_waits_and_goes_on_with_all_of_it(delivery_env: DeliveryEnv, crm: Subscriber) -> None:
    await delivery_env.subscribe(crm.url, state="paused")
    async with delivery_env.delivering():
        await live(delivery_env, "r1")
        await asyncio.sleep(0.3)
        assert crm.received == []
        await delivery_env.change(state="active")
        await delivery_env.until("delivered", 5)


async def test_only_what_is_proven_is_told_to_who_waits_for_it(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    types = {"types": ["task.finished"]}
    await delivery_env.subscribe(crm.url, certainty="reconciled", max_wait_s=1e11, filter=types)
    heard, told_failed, proof, rest = life("r1")
    async with delivery_env.delivering():
        await delivery_env.ledger_env.ledger.record([heard])
        await delivery_env.ledger_env.ledger.record(
            [hook("after", START + 30, about=("r1", None), result="failed")]
        )
        await asyncio.sleep(0.3)
        assert (crm.received, delivery_env.states()) == ([], ["held"])
        await delivery_env.ledger_env.ledger.record([proof])
        (received,) = await crm.until(1)
        await delivery_env.ledger_env.ledger.record([rest, told_failed])
    assert received.event["type"] == "task.finished"
    assert received.event["data"]["result"] == "connected"
    assert received.event["data"]["confidence"] == "reconciled"


async def test_what_is_held_is_told_though_its_subscription_names_other_accounts_now(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    types = ["task.finished"]
    await delivery_env.subscribe(crm.url, certainty="reconciled", max_wait_s=1e11, filter={"types": types})
    heard, _, proof, _ = life("r1")
    await delivery_env.ledger_env.ledger.record([heard])
    await delivery_env.ledger_env.ledger.record(
        [hook("after", START + 30, about=("r1", None), result="failed")]
    )
    assert delivery_env.states() == ["held"]
    await delivery_env.change(filter={"types": types, "accounts": ["another"]})
    await delivery_env.ledger_env.ledger.record([proof])
    assert delivery_env.states() == ["waiting"]


async def test_after_the_longest_wait_it_is_told_as_it_is_known(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    # The facts are of long ago, so that the wait is over as soon as it begins.
    await delivery_env.subscribe(
        crm.url, certainty="reconciled", max_wait_s=1.0, filter={"types": ["task.finished"]}
    )
    async with delivery_env.delivering():
        await delivery_env.ledger_env.ledger.record(life("r1")[:2])
        (received,) = await crm.until(1)
    assert received.event["data"]["confidence"] == "events"


async def test_a_stop_ends_what_is_under_way_and_gives_back_the_rest(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    async def slowly(_received: Received) -> Response:
        await asyncio.sleep(0.3)
        return Response(status_code=200)

    crm.answering = slowly
    await delivery_env.subscribe(crm.url, concurrency=2, order="none")
    await live(delivery_env, "r1", "r2")
    async with delivery_env.delivering():
        await crm.until(2)
    sent = len(crm.received)
    assert delivery_env.states().count("delivered") == sent
    assert sent < 10
    assert all(row["claimed_until"] is None for row in delivery_env.messages(state="waiting"))
    crm.answering = ok
    async with delivery_env.delivering():
        await delivery_env.until("delivered", 10)
    assert len(crm.received) == 10  # and nothing twice


async def test_an_answer_without_end_is_read_in_part_and_kept_in_smaller_part(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    async def endless(_received: Received) -> Response:
        return Response(b"x" * 3_000_000, status_code=500, headers={"content-encoding": "gzip"})

    crm.answering = endless
    await delivery_env.subscribe(crm.url, filter={"types": ["task.finished"]})
    async with delivery_env.delivering():
        await live(delivery_env, "r1")
        async with asyncio.timeout(5):
            while not delivery_env.attempts():
                await asyncio.sleep(0.02)
    assert delivery_env.attempts()[0]["answer"] == "x" * 1_000
