"""Messages on their way, over real sockets from a real store."""

import asyncio

import pytest
from standardwebhooks import WebhookVerificationError
from starlette.responses import Response

from receiver.domain.facts import Fact
from receiver.domain.retry import DELAYS_S, DISABLE_AFTER_S
from tests.delivery.office import Office, SteppedClock
from tests.delivery.subscriber import Received, Subscriber, always, ok
from tests.factories import START, finished, hook, settled

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


async def live(office: Office, *refs: str, result: str = "success") -> None:
    """Tasks come and go, their facts one by one."""
    for facts in zip(*(life(ref, result) for ref in refs), strict=True):
        await office.house.ledger.record(facts)


async def test_each_event_is_delivered_once_signed_and_in_order(office: Office, crm: Subscriber) -> None:
    secret = await office.subscribe(crm.url)
    async with office.delivering():
        await live(office, "r1", "r2", "r3")
        await office.until("delivered", 15)
    assert len(crm.received) == 15
    for received in crm.received:
        received.verify(secret)
    assert {each.id for each in crm.received} == {row["id"] for row in office.outcomes()}
    for ref in ("r1", "r2", "r3"):
        mine = [each.event["type"] for each in crm.received if each.event["data"]["ref"] == ref]
        assert mine == [
            *("task.started", "task.attempt_started"),
            *("task.connected", "task.finished", "task.reconciled"),
        ]
    assert [row["number"] for row in office.postings()] == [1] * 15
    assert {row["status"] for row in office.postings()} == {204}
    assert office.house.sample("delivery_attempts_total", subscription="crm", outcome="delivered") == 15


async def test_a_changed_byte_fails(office: Office, crm: Subscriber) -> None:
    secret = await office.subscribe(crm.url, filter={"types": ["task.finished"]})
    async with office.delivering():
        await live(office, "r1")
        (received,) = await crm.until(1)
    received.verify(secret)
    forged = Received(received.headers, received.body.replace(b"connected", b"cancelled"))
    with pytest.raises(WebhookVerificationError):
        forged.verify(secret)


async def test_while_a_secret_rotates_both_verify(office: Office, crm: Subscriber) -> None:
    old = await office.subscribe(crm.url, filter={"types": ["task.finished"]})
    new = await office.subscribe("http://127.0.0.1:9/", name="other")
    now = office.clock.now()
    keys = [{"secret": new, "until": None}, {"secret": old, "until": now + 3600}]
    await office.change(secrets=keys)
    async with office.delivering():
        await live(office, "r1")
        await crm.until(1)
        crm.received[0].verify(new)
        crm.received[0].verify(old)
    await office.change(secrets=[keys[0], {"secret": old, "until": now - 1}])
    async with office.delivering():
        await live(office, "r2")
        await crm.until(2)
    crm.received[1].verify(new)
    with pytest.raises(WebhookVerificationError):
        crm.received[1].verify(old)


async def test_a_failure_is_tried_again_with_the_same_id_and_holds_back_what_follows(
    office: Office, crm: Subscriber
) -> None:
    crm.answering = always(500)
    await office.subscribe(crm.url)
    async with office.delivering():
        await live(office, "r1", "r2")
        await crm.until(2)
        await asyncio.sleep(0.4)
        assert len(crm.received) == 2  # the first of each task; the others wait for it
        crm.answering = ok
        await office.until("delivered", 10, DELAYS_S[0] * 1.2 + 10)
    for ref in ("r1", "r2"):
        first, again, *rest = [each.id for each in crm.received if each.event["data"]["ref"] == ref]
        assert first == again
        assert len({first, *rest}) == 5
    failed = office.postings()[0]
    assert (failed["status"], failed["answer"], failed["problem"]) == (500, "as told", "answered 500")


async def test_the_pause_begins_when_the_attempt_has_failed(office: Office, crm: Subscriber) -> None:
    async def late(_received: Received) -> Response:
        await asyncio.sleep(0.5)
        return Response(status_code=500)

    crm.answering = late
    await office.subscribe(crm.url, filter={"types": ["task.finished"]})
    await live(office, "r1")
    async with office.delivering():
        await office.tried(1)
    assert office.messages()[0]["due_at"] >= office.postings()[0]["at"] + 0.5 + DELAYS_S[0]


async def test_a_subscriber_that_hangs_delays_no_other(office: Office, crm: Subscriber) -> None:
    async def hang(received: Received) -> Response:
        if received.headers["host"].startswith("localhost"):
            await asyncio.sleep(30)
        return Response(status_code=204)

    crm.answering = hang
    await office.subscribe(crm.url.replace("127.0.0.1", "localhost"), name="hanging")
    await office.subscribe(crm.url)
    sender = None
    async with asyncio.timeout(15):
        async with office.delivering() as sender:
            await live(office, *(f"r{number}" for number in range(10)))
            while len(office.messages(subscription="crm", state="delivered")) < 50:
                await asyncio.sleep(0.02)
            for task in list(sender._under_way):
                task.cancel()
    assert office.messages(subscription="hanging", state="delivered") == []


async def test_410_ends_the_subscription_and_the_operator_is_told(office: Office, crm: Subscriber) -> None:
    crm.answering = always(410)
    await office.subscribe(crm.url)
    await live(office, "r1")  # before, since nothing more is put into the outbox of one that is disabled
    async with office.delivering():
        await office.until("dead", 5)
    assert office.subscription()["state"] == "disabled"
    (event,) = office.operator_events()
    assert (event["kind"], event["subject"]) == ("subscription.disabled", "crm")
    assert "410" in event["detail"]
    await live(office, "r2")
    assert len(office.messages()) == 5  # nothing more is put into its outbox


async def test_a_subscriber_that_asks_for_a_pause_has_it(office: Office, crm: Subscriber) -> None:
    crm.answering = always(429, retry_after="60")
    await office.subscribe(crm.url, concurrency=2, order="none")
    await live(office, "r1", "r2", "r3")
    async with office.delivering():
        await crm.until(1)
        await asyncio.sleep(0.5)
        assert [row for row in office.messages() if row["claimed_until"] is not None] == []
    assert len(crm.received) <= 2  # what was under way when it asked
    slow_until = office.subscription()["slow_until"]
    assert slow_until == pytest.approx(office.clock.now() + 60, abs=5)


async def test_one_failure_after_days_without_traffic_disables_nothing(
    office: Office, crm: Subscriber
) -> None:
    office.clock = clock = SteppedClock(START + 1000)
    crm.answering = always(500)
    await office.subscribe(crm.url, filter={"types": ["task.finished"]})
    await live(office, "r1")
    async with office.delivering():
        await office.tried(1)
        crm.answering = ok
        clock.time += 10
        await office.until("delivered", 1)
        crm.answering = always(500)
        clock.time += DISABLE_AFTER_S
        await live(office, "r2")
        await office.tried(3)
    assert (office.subscription()["state"], office.subscription()["failing_since"]) == ("active", clock.time)


async def test_one_that_is_resumed_at_once_after_it_ended_goes_on(office: Office, crm: Subscriber) -> None:
    crm.answering = always(410)
    await office.subscribe(crm.url)
    await live(office, "r1")  # before, since nothing more is put into the outbox of one that is disabled
    async with office.delivering():
        await office.until("dead", 5)
        crm.answering = ok
        await office.change(state="active")
        await live(office, "r2")
        await office.until("delivered", 5)


async def test_nothing_delivered_for_five_days_disables(office: Office, crm: Subscriber) -> None:
    crm.answering = always(500)
    now = office.clock.now()
    await office.subscribe(crm.url, failing_since=now - DISABLE_AFTER_S, failed_at=now - 100_000)
    await live(office, "r1")  # before, since nothing more is put into the outbox of one that is disabled
    async with office.delivering():
        await office.until("dead", 5)
    assert office.subscription()["state"] == "disabled"
    assert "5 days" in office.subscription()["reason"]


async def test_a_redirect_is_not_followed(office: Office, crm: Subscriber) -> None:
    crm.answering = always(307, location=crm.url)
    await office.subscribe(crm.url, filter={"types": ["task.finished"]})
    async with office.delivering():
        await live(office, "r1")
        await crm.until(1)
        await asyncio.sleep(0.3)
    assert len(crm.received) == 1
    assert "redirects are not followed" in office.postings()[0]["problem"]


async def test_a_forbidden_address_is_a_failed_attempt_that_says_why(office: Office) -> None:
    await office.subscribe("http://10.0.0.1/hook", filter={"types": ["task.finished"]})
    async with office.delivering():
        await live(office, "r1")
        await office.tried(1)
    assert "a private address" in office.postings()[0]["problem"]


async def test_paused_waits_and_goes_on_with_all_of_it(office: Office, crm: Subscriber) -> None:
    await office.subscribe(crm.url, state="paused")
    async with office.delivering():
        await live(office, "r1")
        await asyncio.sleep(0.3)
        assert crm.received == []
        await office.change(state="active")
        await office.until("delivered", 5)


async def test_only_what_is_proven_is_told_to_who_waits_for_it(office: Office, crm: Subscriber) -> None:
    types = {"types": ["task.finished"]}
    await office.subscribe(crm.url, certainty="reconciled", max_wait_s=1e11, filter=types)
    heard, told_failed, proof, rest = life("r1")
    async with office.delivering():
        await office.house.ledger.record([heard])
        await office.house.ledger.record([hook("after", START + 30, about=("r1", None), result="failed")])
        await asyncio.sleep(0.3)
        assert (crm.received, office.states()) == ([], ["held"])
        await office.house.ledger.record([proof])
        (received,) = await crm.until(1)
        await office.house.ledger.record([rest, told_failed])
    assert received.event["type"] == "task.finished"
    assert received.event["data"]["result"] == "connected"
    assert received.event["data"]["confidence"] == "reconciled"


async def test_after_the_longest_wait_it_is_told_as_it_is_known(office: Office, crm: Subscriber) -> None:
    # The facts are of long ago, so that the wait is over as soon as it begins.
    await office.subscribe(
        crm.url, certainty="reconciled", max_wait_s=1.0, filter={"types": ["task.finished"]}
    )
    async with office.delivering():
        await office.house.ledger.record(life("r1")[:2])
        (received,) = await crm.until(1)
    assert received.event["data"]["confidence"] == "events"


async def test_a_stop_ends_what_is_under_way_and_gives_back_the_rest(office: Office, crm: Subscriber) -> None:
    async def slowly(_received: Received) -> Response:
        await asyncio.sleep(0.3)
        return Response(status_code=200)

    crm.answering = slowly
    await office.subscribe(crm.url, concurrency=2, order="none")
    await live(office, "r1", "r2")
    async with office.delivering():
        await crm.until(2)
    sent = len(crm.received)
    assert office.states().count("delivered") == sent
    assert sent < 10
    assert all(row["claimed_until"] is None for row in office.messages(state="waiting"))
    crm.answering = ok
    async with office.delivering():
        await office.until("delivered", 10)
    assert len(crm.received) == 10  # and nothing twice


async def test_an_answer_without_end_is_read_in_part_and_kept_in_smaller_part(
    office: Office, crm: Subscriber
) -> None:
    async def endless(_received: Received) -> Response:
        return Response(b"x" * 3_000_000, status_code=500, headers={"content-encoding": "gzip"})

    crm.answering = endless
    await office.subscribe(crm.url, filter={"types": ["task.finished"]})
    async with office.delivering():
        await live(office, "r1")
        async with asyncio.timeout(5):
            while not office.postings():
                await asyncio.sleep(0.02)
    assert office.postings()[0]["answer"] == "x" * 1_000
