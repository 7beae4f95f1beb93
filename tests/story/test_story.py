"""The story over /v1, of real facts, deliveries and messages on both databases."""

from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import Connection, delete
from starlette.responses import Response

from receiver.domain.facts import CallRecord, TaskSettled
from receiver.ledger.tables import DELIVERY
from receiver.outcomes.tables import SUBSCRIPTION
from tests.http.api_env import A_NUMBER, B_NUMBER, T0, finished
from tests.outcomes.subscriber import Received, Subscriber
from tests.story.story_env import StoryEnv, open_story_env

pytestmark = pytest.mark.anyio

CALL = CallRecord(
    call="c-1",
    result="bridged",
    init_at=T0,
    bridged_at=T0 + 10,
    hangup_at=T0 + 74,
    duration=74.0,
    bridged_duration=64.0,
    legs=({"dest_number": A_NUMBER, "result": "answered"}, {"dest_number": B_NUMBER, "result": "answered"}),
)


async def live(env: StoryEnv) -> dict[str, str]:
    """A task with a repeated and a lost hook; the ids of its deliveries."""
    ids = {
        "before": await env.api.hook("r1", "before", T0, body=b"x=1"),
        "again": await env.api.hook("r1", "before", T0 + 1),
        "after": await env.api.hook("r1", "after", T0 + 75, call="c-1", result="success"),
    }
    await env.api.said("r1", T0 + 78, finished(try_count=1), task_id="7")
    await env.api.said("r1", T0 + 80, CALL, task_id="7")
    await env.api.said("r1", T0 + 400, TaskSettled(), task_id="7")
    return ids


async def test_the_story_begins_with_sentences_and_contains_the_timeline(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        await live(env)
        await env.api.queue("17")
        story = await env.story()
        assert story["task"]["queue_name"] == "call-backs"
        assert story["sentences"] == [
            "Called 1 of 1 time; connected at 09:30:10 for 1 min 4 s; confirmed by the API 3 s later.",
            "2 of 3 hooks came; lost: success; 1 came twice.",
            "5 events were published; no subscription matches.",
        ]
        timeline = await env.api.get("/v1/tasks/main/r1/timeline")
        assert {name: story[name] for name in timeline} == timeline
        assert story["waits"] == []
        by_id = await env.story("7")
        assert by_id == story


async def test_attempts_have_their_legs_and_hooks_their_fates(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        ids = await live(env)
        story = await env.story()
        (attempt,) = story["attempts"]
        assert (attempt["a_answered"], attempt["b_answered"], attempt["talk_s"]) == (True, True, 64.0)
        assert [leg["dest_number"] for leg in attempt["legs"]] == ["+791•••67", "849•••21"]
        hooks = {hook["event"]: hook for hook in story["hooks"]}
        assert [arrival["delivery_id"] for arrival in hooks["before"]["came"]] == [
            ids["before"],
            ids["again"],
        ]
        assert [arrival["flags"] for arrival in hooks["before"]["came"]] == [[], ["duplicate"]]
        assert (hooks["success"]["missing"], hooks["success"]["fate"]) == (1, "lost")
        assert (hooks["after"]["arrived"], hooks["after"]["fate"]) == (1, None)
        full = await env.story("r1", "read", "numbers")
        assert [leg["dest_number"] for leg in full["attempts"][0]["legs"]] == [A_NUMBER, B_NUMBER]


TIMED = replace(
    CALL,
    legs=(
        {
            "dest_number": A_NUMBER,
            "result": "answered",
            "start_time_gmt": "2026-03-01 09:30:00",
            "answer_time_gmt": "2026-03-01 09:30:04.5",
            "hangup_time_gmt": "2026-03-01 09:31:14",
            "record_uuid": "rec-1",
        },
        {"dest_number": B_NUMBER, "result": "answered", "start_time_gmt": "2026-03-01 09:30:05"},
    ),
)


async def test_an_attempt_has_its_planned_and_real_times_and_those_of_its_legs(store_target: str) -> None:
    links = {"main": "https://pbx.example/records/{record}?call={call}"}
    async with open_story_env(store_target, recordings=links) as env:
        failed = CallRecord(
            "c-0", result="busy", init_at=T0 - 372, hangup_at=T0 - 312, legs=({"result": "busy"},)
        )
        await env.api.hook("r1", "before", T0 - 372, call="c-0")
        await env.api.said("r1", T0 - 310, failed, task_id="7")
        await env.api.hook("r1", "before_again", T0, call="c-1")
        plan = {"try_count": 2, "pause": 300.0, "start_at": T0 - 384}
        await env.api.said("r1", T0 + 78, finished(**plan), task_id="7")
        await env.api.said("r1", T0 + 80, TIMED, task_id="7")
        first, second = (await env.story())["attempts"]
        assert [first[name] for name in ("planned_at", "late_s", "pause_s")] == [
            "2026-03-01T09:23:36.000Z",
            12.0,
            None,
        ]
        assert (first["ended_at"], first["connected_at"]) == ("2026-03-01T09:24:48.000Z", None)
        assert (first["dialed"][0]["side"], first["dialed"][0]["dialed_at"]) == ("a", first["started_at"])
        assert [second[name] for name in ("planned_at", "late_s", "pause_s")] == [
            "2026-03-01T09:29:48.000Z",
            12.0,
            312.0,
        ]
        a, b = second["dialed"]
        assert (a["answered_at"], a["ended_at"], a["record"]) == (
            "2026-03-01T09:30:04.500Z",
            "2026-03-01T09:31:14.000Z",
            "rec-1",
        )
        assert a["recording"] == "https://pbx.example/records/rec-1?call=c-1"
        assert b["recording"] is None
        assert (b["side"], b["number"], b["answered"]) == ("b", "849•••21", True)
        assert b["answered_at"] == second["connected_at"] == "2026-03-01T09:30:10.000Z"


async def test_contradictions_have_the_facts_that_show_them(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        await env.api.hook("r1", "success", T0)
        await env.api.hook("r1", "after", T0 + 75, call="c-9", sent_at=T0 - 5000)
        failed = finished(try_count=1, finish_result="failed", finish_comment="busy")
        await env.api.said("r1", T0 + 78, failed, task_id="7")
        await env.api.said("r1", T0 + 100, TaskSettled(), task_id="7")
        await env.api.hook("r1", "before", T0 + 200)
        story = await env.story()
        found = {each["kind"]: each for each in story["contradictions"]}
        assert found["result"]["text"] == "Hooks and API disagree on the result; the API counts."
        kinds = {
            kind: [story["facts"][place]["event"] or story["facts"][place]["kind"] for place in each["facts"]]
            for kind, each in found.items()
        }
        assert kinds == {
            "result": ["success", "task"],
            "cdr": ["after", "task"],
            "late": ["settled", "before"],
            "clock_skew": ["after"],
        }
        assert (await env.story(lang="ru"))["contradictions"][0]["text"].startswith("Хуки и API расходятся")


async def test_the_next_attempt_is_known_also_of_the_past(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        failed = CallRecord("c-0", result="busy", init_at=T0, hangup_at=T0 + 20)
        await env.api.hook("r1", "before", T0)
        waiting = finished(status="delayed", finish_result=None, finish_comment=None, cdr="c-0", pause=300.0)
        await env.api.said("r1", T0 + 25, waiting, task_id="7")
        await env.api.said("r1", T0 + 30, failed, task_id="7")
        story = await env.story()
        assert story["next_attempt_at"] == "2026-03-01T09:35:20.000Z"
        assert story["waits"][0]["until"] == story["next_attempt_at"]
        await env.api.said("r1", T0 + 400, finished(cdr="c-0"), task_id="7")
        assert (await env.story())["next_attempt_at"] is None
        assert (await env.story(as_of=T0 + 31))["next_attempt_at"] == story["next_attempt_at"]


async def test_raw_deliveries_lead_to_their_content(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        ids = await live(env)
        deliveries = (await env.story())["deliveries"]
        assert [delivery["id"] for delivery in deliveries] == list(ids.values())
        content = await env.api.get(deliveries[0]["path"], "numbers")
        assert (content["id"], content["body"]) == (ids["before"], "x=1")


async def test_messages_show_what_subscribers_answered_and_when_the_next_attempt_is(
    store_target: str, crm: Subscriber
) -> None:
    async def answer(received: Received) -> Response:
        if received.event["type"] == "task.finished":
            return Response(f"no contact {A_NUMBER}", status_code=503)
        return Response(status_code=204)

    async with open_story_env(store_target, T0 + 500) as env:
        await env.delivery.subscribe(crm.url)
        crm.answering = answer
        await live(env)
        async with env.delivery.delivering():
            await env.delivery.tried(4)
            await env.delivery.until("delivered", 3)
        story = await env.story()
        assert [event["type"] for event in story["events"]] == [
            *("task.started", "task.attempt_started", "task.connected"),
            *("task.finished", "task.reconciled"),
        ]
        (subscriber,) = story["subscribers"]
        assert (subscriber["subscription"], subscriber["name"], subscriber["state"]) == (
            "crm",
            "crm",
            "active",
        )
        assert subscriber["problem"] == "answered 503"
        messages = {message["type"]: message for message in subscriber["messages"]}
        assert messages["task.connected"]["postings"][0]["status"] == 204
        failed = messages["task.finished"]
        assert (failed["state"], failed["attempts"], failed["settled_at"]) == ("waiting", 1, None)
        (posting,) = failed["postings"]
        assert (posting["status"], posting["answer"]) == (503, "no contact +791•••67")
        assert failed["due_at"] > posting["at"]
        assert messages["task.reconciled"]["blocked_by"] == failed["seq"]
        full = (await env.story("r1", "read", "numbers"))["subscribers"][0]["messages"]
        assert f"no contact {A_NUMBER}" in [each["answer"] for msg in full for each in msg["postings"]]
        sentence = story["sentences"][-1]
        assert sentence.startswith("5 events were published; crm has received 3 of 5; crm fails since 09:38:")
        assert sentence.endswith(": answered 503.")


async def test_as_of_tells_the_story_as_it_was_known_then(store_target: str, crm: Subscriber) -> None:
    async with open_story_env(store_target, T0 + 200) as env:
        await env.delivery.subscribe(crm.url)
        await live(env)
        async with env.delivery.delivering():
            await env.delivery.until("delivered", 5)
        story = await env.story(as_of=T0 + 76)
        assert story["sentences"] == [
            "Called at least 1 time; connected; not confirmed by the API yet.",
            "2 of 3 hooks came; still missing: success; 1 came twice.",
            "4 events were published; crm has received 0 of 4.",
        ]
        assert (story["at"], story["waits"]) == ("2026-03-01T09:31:16.000Z", None)
        assert len(story["facts"]) == 3
        (subscriber,) = story["subscribers"]
        assert {message["state"] for message in subscriber["messages"]} == {"waiting"}
        assert [message["postings"] for message in subscriber["messages"]] == [[]] * 4
        assert (await env.story())["sentences"][-1] == "5 events were published; crm has received all 5."


async def test_other_tasks_of_the_same_customer_are_shown_but_not_those_of_the_company(
    store_target: str,
) -> None:
    async with open_story_env(store_target) as env:
        for place in range(12):
            said = finished(b_number="8 (495) 765-43-21", try_count=2, start_at=T0 + place)
            await env.api.said(f"n{place}", T0 - place, said, task_id=f"8{place}")
        for place in range(90):
            said = finished(b_number=f"+7916000{place:04}")
            await env.api.said(f"m{place}", T0 - 100 - place, said, task_id=f"9{place}")
        (same,) = (await env.story("n1"))["same_number"]
        assert (same["leg"], same["number"], same["count"]) == ("b", "+749•••21", 11)
        assert [task["key"] for task in same["tasks"]] == ["n0", *(f"n{place}" for place in range(2, 11))]
        assert same["tasks"][0]["b_number"] == "849•••21"
        (full,) = (await env.story("n1", "read", "numbers"))["same_number"]
        assert full["number"] == "+74957654321"
        assert (await env.story("m1"))["same_number"] == [], "101 others have its number A"
        assert (await env.story("n1", as_of=T0 + 1))["same_number"][0]["count"] == 11


async def test_an_unknown_task_or_zone_is_refused(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        await env.api.hook("r1", "before", T0)
        await env.api.refused("/v1/tasks/main/nobody/story", 404)
        problem = await env.api.refused("/v1/tasks/main/r1/story", 400, zone="Mars/Base")
        assert problem["field"] == "zone"
        assert "Europe/Moscow" in problem["message"]


async def test_a_removed_subscription_and_a_deleted_delivery_are_no_error(
    store_target: str, crm: Subscriber
) -> None:
    async with open_story_env(store_target) as env:
        await env.delivery.subscribe(crm.url)
        await live(env)
        for query in (delete(SUBSCRIPTION), delete(DELIVERY)):
            await env.api.store.write(partial(Connection.execute, statement=query))
        story = await env.story()
        assert story["deliveries"] == []
        assert story["subscribers"][0]["name"] is None
        assert "crm has received 0 of 5" in story["sentences"][-1]
