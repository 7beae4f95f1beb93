"""What a task waits for and why nothing moves, told of real rows on both databases."""

import pytest
from sqlalchemy import insert, update

from receiver.domain.facts import CallRecord, TaskGone, TaskSettled, TaskSnapshot
from receiver.ledger.tables import DIRTY_TASK
from tests.http.api_env import T0, finished
from tests.outcomes.subscriber import Subscriber, always
from tests.story.story_env import LEASES, open_story_env, texts

pytestmark = pytest.mark.anyio

CALL = CallRecord(call="c-1", result="bridged", init_at=T0 + 1, bridged_at=T0 + 5, bridged_duration=20.0)


def record(status: str, **changes: object) -> TaskSnapshot:
    said = {"status": status, "finish_result": None, "finish_comment": None, "cdr": None}
    return finished(**said | changes)


async def test_a_planned_task_waits_for_its_first_attempt_and_then_for_news(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        await env.api.said("r1", T0, record("scheduled", start_at=T0 + 3600), task_id="7")
        assert await env.waits() == [
            ("call", "The first attempt, planned for 10:30:00."),
            ("question", "The API's word on its progress, asked for at 10:32:00."),
        ]
        env.clock.time = T0 + 4000
        await env.held(*LEASES)
        assert (await env.waits())[0] == ("call", "The first attempt, due since 10:30:00.")
        untils = [wait["until"] for wait in (await env.story())["waits"]]
        assert untils == ["2026-03-01T10:30:00.000Z", "2026-03-01T10:32:00.000Z"]


async def test_a_queue_that_is_off_or_deleted_is_named_as_the_reason(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        await env.api.said("r1", T0, record("scheduled", start_at=T0), task_id="7")
        await env.api.queue("17", status="off")
        assert texts(await env.waits(), "call") == [
            "The first attempt, due since 09:30:00; the queue call-backs is off."
        ]


async def test_between_attempts_the_pause_counts_from_the_end_of_the_call(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        await env.api.hook("r1", "before", T0)
        await env.api.said("r1", T0 + 6, record("delayed", cdr="c-1"), task_id="7")
        call = CallRecord(call="c-1", result="busy", init_at=T0, hangup_at=T0 + 5)
        await env.api.said("r1", T0 + 8, call, task_id="7")
        assert (await env.waits())[0] == ("call", "The next attempt, at 09:31:05 at the earliest.")


async def test_a_call_under_way_is_waited_for(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        await env.api.hook("r1", "before", T0)
        assert await env.waits() == [
            ("call", "The end of the attempt under way."),
            ("question", "The scheduler's record, asked for now."),
        ]
        await env.api.hook("r1", "success", T0 + 5)
        assert (await env.waits())[0] == ("call", "The end of the call.")


async def test_questions_in_vain_are_counted_and_their_obstacles_named(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        await env.api.hook("r1", "before", T0)
        await env.api.hook("r1", "after", T0 + 5, result="success", queue_id="17")
        await env.asked("r1", T0 + 58, 3)
        confirm = "The API's confirmation of the end, asked for at 09:31:00; asked 3 times in vain"
        assert texts(await env.waits(), "question") == [f"{confirm}."]
        await env.passed(problems={"17": "answered 500", "18": "other"}, failing_since=T0 - 60)
        assert texts(await env.waits(), "question") == [
            f"{confirm}; questions fail since 09:29:00: answered 500."
        ]
        await env.passed(problems={"18": "other"}, failing_since=T0 - 60)
        assert texts(await env.waits(), "question") == [f"{confirm}."], "a problem of another queue"
        await env.passed("calls", problems={"17": "answered 503"}, failing_since=T0 - 60)
        assert texts(await env.waits(), "question") == [f"{confirm}."], "a problem of call history"
        await env.passed("calls", blocked_until=T0 + 1800, problems={"quota": "used up"})
        (wait,) = [wait for wait in (await env.story())["waits"] if wait["kind"] == "question"]
        quota = "the API's hourly quota, or the share of the receiver, is used up until 10:00:00"
        assert (wait["text"], wait["until"]) == (f"{confirm}; {quota}.", "2026-03-01T10:00:00.000Z")
        await env.held("delivery")
        nobody = "no receiver asks for this account: start `receiver serve`"
        assert texts(await env.waits(), "question") == [f"{confirm}; {nobody}; {quota}."]


async def test_a_missing_record_of_a_call_is_waited_for(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        await env.api.said("r1", T0, finished(cdr="c-1"), task_id="7")
        assert await env.waits() == [("question", "The record of a call, asked for now.")]


async def test_after_the_end_late_hooks_are_waited_for_and_then_nothing(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        await env.api.said("r1", T0, finished(cdr="c-1"), task_id="7")
        await env.api.said("r1", T0 + 1, CALL, task_id="7")
        late = "Late hooks; at 09:35:00 its missing hooks are lost"
        assert await env.waits() == [("late_hooks", f"{late}.")]
        await env.held()
        assert texts(await env.waits(), "late_hooks") == [
            f"{late}; no receiver asks for this account: start `receiver serve`."
        ]
        await env.api.said("r1", T0 + 301, TaskSettled(), task_id="7")
        assert await env.waits() == []


async def test_work_that_the_settings_turn_off_is_said_to_be_off(store_target: str, crm: Subscriber) -> None:
    async with open_story_env(store_target, reconciles=False, delivers=False) as env:
        await env.delivery.subscribe(crm.url)
        await env.api.hook("r1", "before", T0)
        waits = await env.waits()
    assert texts(waits, "question")[0].endswith("; reconciliation is off in the settings: reconcile.enabled.")
    assert "delivery is off in the settings: delivery.enabled" in texts(waits, "message")[0]


async def test_a_gone_task_waits_for_no_call(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        await env.api.hook("r1", "before", T0)
        await env.api.said("r1", T0 + 5, TaskGone(), task_id="7")
        assert texts(await env.waits(), "call") == []


async def test_facts_that_are_not_folded_are_the_first_reason(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        await env.api.hook("r1", "before", T0)
        mark = {"account": "main", "name": "r1", "since": T0 + 2, "failures": 0, "retry_at": T0 + 9_999}
        await env.api.store.write(lambda connection: connection.execute(insert(DIRTY_TASK), [mark]))
        assert (await env.waits())[0] == ("fold", "Its facts of 09:30:02 are being put together.")
        failed = update(DIRTY_TASK).values(failures=2, problem="ValueError in fold.py:7")
        await env.api.store.write(lambda connection: connection.execute(failed))
        assert (await env.waits())[0] == (
            "fold",
            "Its facts could not be put together, 2 times: ValueError in fold.py:7; next try at 12:16:39.",
        )


async def test_messages_wait_behind_the_first_of_their_task(store_target: str, crm: Subscriber) -> None:
    async with open_story_env(store_target) as env:
        await env.delivery.subscribe(crm.url, name="crm")
        crm.answering = always(500)
        await env.api.hook("r1", "before", T0)
        async with env.delivery.delivering():
            await env.delivery.tried(1)
        (first,) = texts(await env.waits(), "message")
        seq = env.delivery.messages()[0]["seq"]
        assert first.startswith(
            f"Message {seq} (task.started) to crm; 1 attempt failed: answered 500; next try"
        )
        assert first.endswith("; 1 later message of the task must wait for it.")
        await env.delivery.change(state="paused")
        assert "to crm; the subscription is paused; 1 attempt" in texts(await env.waits(), "message")[0]
        await env.held("reconcile:main")
        assert "no receiver delivers: start `receiver serve`" in texts(await env.waits(), "message")[0]
        await env.delivery.change(order="none", slow_until=T0 + 600)
        second = texts(await env.waits(), "message")[1]
        assert "must wait" not in second
        assert f"Message {seq + 1} (task.attempt_started) to crm" in second
        assert second.endswith("is sent now; the subscriber asked for a pause until 09:40:00.")


async def test_a_held_message_waits_for_the_api(store_target: str, crm: Subscriber) -> None:
    async with open_story_env(store_target) as env:
        types = {"types": ["task.finished"]}
        await env.delivery.subscribe(crm.url, certainty="reconciled", max_wait_s=900.0, filter=types)
        await env.api.hook("r1", "after", T0, result="success")
        (text,) = texts(await env.waits(), "message")
        assert text.endswith("to crm; held until the API confirms the end, at the latest until 09:45:00.")


async def test_a_dead_letter_needs_a_person(store_target: str, crm: Subscriber) -> None:
    async with open_story_env(store_target) as env:
        await env.delivery.subscribe(crm.url)
        crm.answering = always(410)
        await env.api.hook("r1", "before", T0)
        async with env.delivery.delivering():
            await env.delivery.until("dead", 2)
        first, second = texts(await env.waits(), "person")
        seq = env.delivery.messages()[0]["seq"]
        retry = f"to send it: `receiver subscriptions retry 'crm' --message {seq}`"
        reason = "the subscription is disabled: 410: the subscriber wants no more events"
        assert first.endswith(f"(task.started) to crm; given up after 1 attempt; {reason}; {retry}.")
        assert f"(task.attempt_started) to crm; given up after 0 attempts; {reason}; to send it" in second


async def test_what_a_task_waits_for_is_told_in_russian(store_target: str) -> None:
    async with open_story_env(store_target) as env:
        await env.api.hook("r1", "before", T0)
        assert (await env.waits(lang="ru", zone="Europe/Moscow"))[0] == ("call", "Конец текущей попытки.")
