import pytest

from receiver.domain.facts import EVENTS, Fact, TaskSnapshot
from receiver.domain.fold import fold
from tests.factories import called, finished, gone, hook, seen, settled


def story(*facts: Fact) -> tuple[str, str | None, str]:
    """State, result and confidence."""
    timeline = fold(facts)
    return timeline.state, timeline.finish_result, timeline.confidence


def test_a_success_told_by_hooks_alone() -> None:
    before, success, after = hook("before", 1_000), hook("success", 1_030), hook("after", 1_031)
    assert story(before) == ("executed", None, "events")
    assert story(before, success) == ("connected", "success", "events")
    assert story(before, success, after) == ("finished", "success", "events")


def test_success_and_after_may_come_in_either_order() -> None:
    early, late = (
        [hook("after", 1_000), hook("success", 1_030)],
        [hook("success", 1_000), hook("after", 1_030)],
    )
    assert story(*early) == story(*late) == ("finished", "success", "events")


def test_an_after_without_a_result_ends_the_task_but_does_not_say_how() -> None:
    assert story(hook("before", 1_000), hook("after", 1_300)) == ("finished", None, "events")


def test_an_after_may_tell_the_result() -> None:
    assert story(hook("after", 1_300, result="BUSY")) == ("finished", "failed", "events")
    assert story(hook("after", 1_300, result="bridged")) == ("finished", "success", "events")
    assert story(hook("after", 1_300, result="ANSWER")) == ("finished", None, "events")


def test_of_several_afters_the_first_that_tells_the_result_counts() -> None:
    facts = [hook("after", 1_300), hook("after", 1_301, result="failed"), hook("after", 1_302)]
    assert story(*facts) == ("finished", "failed", "events")
    assert fold(facts).hooks.duplicates["after"] == 2


def test_a_success_without_an_after_stays_connected_until_the_api_tells_the_end() -> None:
    facts = [hook("before", 1_000), hook("success", 1_030)]
    assert fold(facts).state == "connected"
    timeline = fold([*facts, finished("success", 1_100), settled(2_000)])
    assert (timeline.state, timeline.finish_result) == ("finished", "success")
    assert timeline.hooks.lost == {"after": 1}


def test_the_api_beats_the_hooks() -> None:
    assert story(hook("success", 1_030), finished("failed", 1_100)) == ("finished", "failed", "reconciled")
    ended = hook("after", 1_030, result="failed")
    assert story(ended, finished("success", 1_100)) == ("finished", "success", "reconciled")


def test_an_api_that_does_not_know_the_result_leaves_it_to_the_hooks() -> None:
    assert story(hook("after", 1_030, result="failed"), finished(None, 1_100))[1] == "failed"
    assert story(hook("success", 1_030), finished(None, 1_100))[1] == "success"


def test_finished_without_a_result_is_unknown_not_failed() -> None:
    assert story(finished(None, 1_100)) == ("finished", None, "reconciled")
    assert story(finished("abandoned", 1_100)) == ("finished", None, "reconciled")


def test_a_result_means_nothing_before_the_end() -> None:
    assert story(seen("executed", 1_100, finish_result="failed")) == ("executed", None, "events")


def test_a_late_before_never_reopens_a_finished_task() -> None:
    facts = [hook("after", 1_300, result="failed"), hook("before", 5_000), hook("before_again", 5_001)]
    assert story(*facts) == ("finished", "failed", "events")


def test_a_late_after_never_reopens_a_finished_task() -> None:
    facts = [finished("success", 1_100), hook("after", 9_000, result="failed")]
    assert story(*facts) == ("finished", "success", "reconciled")


def test_an_older_record_that_is_heard_last_does_not_reopen_a_task() -> None:
    assert story(finished("failed", 1_100), seen("executed", 9_000)) == ("finished", "failed", "reconciled")


def test_of_two_final_records_the_later_counts() -> None:
    facts = [finished("failed", 1_100), finished("success", 1_200, finish_comment="corrected")]
    assert story(*facts) == ("finished", "success", "reconciled")
    plan = fold(facts).plan
    assert plan is not None
    assert plan.finish_comment == "corrected"


def test_a_repeat_that_arrives_after_the_delay_it_ends_is_the_later_state() -> None:
    waiting = [hook("before", 1_000), seen("executed", 1_001), seen("delayed", 1_030)]
    assert fold(waiting).state == "delayed"
    assert fold([*waiting, hook("before_again", 1_090)]).state == "executed"


def test_a_call_that_comes_after_a_wait_does_not_count_towards_it() -> None:
    """The second attempt's hook is late or lost: its call alone tells that the wait is over."""
    facts = [
        seen("executed", 1_001, cdr="u1"),
        seen("delayed", 1_030, cdr="u1"),
        seen("executed", 1_090, cdr="u2"),
    ]
    assert fold(facts).state == "executed"


def test_a_before_that_arrives_late_does_not_take_a_waiting_task_back() -> None:
    facts = [hook("before_again", 1_060), seen("delayed", 1_090), hook("before", 1_200)]
    assert fold(facts).state == "delayed"


def test_waiting_for_working_hours_before_the_first_attempt_gives_way_to_it() -> None:
    facts = [seen("delayed_interval", 900), hook("before", 1_000)]
    assert fold(facts).state == "executed"


@pytest.mark.parametrize("status", ["delayed", "delayed_asr", "delayed_concurrent_task", "delayed_x"])
def test_every_kind_of_delay_is_waiting_and_keeps_its_word(status: str) -> None:
    timeline = fold([seen(status, 1_030)])
    assert timeline.state == "delayed"
    assert timeline.plan == TaskSnapshot(
        status, queue_id="5", try_count=3, pause=60.0, start_at=1_000.0, hooks=EVENTS
    )
    assert timeline.findings == ()


@pytest.mark.parametrize(
    "status", ["paused", "success", "gone", "before", "after_failed", "finished_failed", ""]
)
def test_an_unknown_status_is_an_anomaly_that_moves_nothing(status: str) -> None:
    timeline = fold([hook("before", 1_000), seen(status, 1_030)])
    assert (timeline.state, timeline.finish_result, timeline.gone) == ("executed", None, False)
    assert [(finding.category, finding.kind) for finding in timeline.findings] == [("anomaly", "misfit")]


def test_a_task_that_is_gone_has_an_unknown_outcome() -> None:
    timeline = fold([hook("before", 1_000), seen("executed", 1_001), gone(5_000)])
    assert (timeline.state, timeline.finish_result, timeline.gone) == ("gone", None, True)
    assert timeline.confidence == "reconciled"


def test_a_task_that_was_connected_before_it_was_deleted_has_succeeded() -> None:
    timeline = fold([hook("success", 1_030), gone(5_000)])
    assert (timeline.state, timeline.finish_result) == ("gone", "success")


def test_a_task_that_was_deleted_after_its_end_keeps_its_outcome() -> None:
    assert story(finished("failed", 1_100), gone(5_000)) == ("finished", "failed", "reconciled")
    by_hooks = fold([hook("after", 1_100, result="failed"), gone(5_000)])
    assert (by_hooks.state, by_hooks.finish_result, by_hooks.gone) == ("finished", "failed", True)
    assert by_hooks.confidence == "events"


def test_an_end_heard_of_after_the_task_was_gone_is_its_end() -> None:
    assert story(gone(1_000), finished("success", 900)) == ("finished", "success", "reconciled")
    assert story(gone(1_000), hook("after", 1_001, result="failed")) == ("finished", "failed", "events")


def test_a_delivery_after_settling_is_flagged_and_is_lost_no_more() -> None:
    facts = [hook("before", 1_000), finished("failed", 1_100, try_count=1), settled(2_000)]
    assert fold(facts).hooks.lost == {"after": 1}
    late = hook("after", 2_500)
    timeline = fold([*facts, late])
    assert timeline.hooks.lost == {}
    assert timeline.hooks.flags == {late.id: ("late",)}
    assert timeline.settled


def test_what_is_odd_about_each_delivery_is_flagged() -> None:
    first, repeat = hook("before", 1_000), hook("before", 1_001)
    again, copy, next_try = (hook("before_again", at) for at in (1_060, 1_065, 1_125))
    broken = hook("after", 2_500, readable=False)
    timeline = fold([first, repeat, again, copy, next_try, broken, seen("executed", 1_126), settled(2_000)])
    assert timeline.hooks.flags == {
        repeat.id: ("duplicate",),
        copy.id: ("duplicate",),
        broken.id: ("unreadable", "late"),
    }
    assert timeline.hooks.arrived == dict(zip(EVENTS, (1, 2, 0, 1), strict=True))
    assert timeline.hooks.duplicates == dict(zip(EVENTS, (1, 1, 0, 0), strict=True))


def test_an_unreadable_delivery_is_an_event_all_the_same() -> None:
    assert story(hook("success", 1_030, readable=False))[:2] == ("connected", "success")


def test_of_two_tasks_that_share_a_ref_the_older_id_is_the_task() -> None:
    """A creation that was sent twice: the ref's row is the first task; the second is told as an anomaly."""
    facts = [
        hook("before", 1_000),
        seen("executed", 1_001, about=("r1", "9")),
        finished("failed", 1_100, about=("r1", "12"), name="the second"),
    ]
    timeline = fold(facts)
    assert (timeline.task_id, timeline.state) == ("9", "executed")
    assert [finding.kind for finding in timeline.findings] == ["shared_ref"]


def test_numbers_of_tasks_compare_as_numbers() -> None:
    facts = [seen("executed", 1_001, about=("r1", task_id)) for task_id in ("100", "99", "101")]
    assert fold(facts).task_id == "99"


def test_a_task_is_named_by_its_ref_or_else_by_its_id() -> None:
    assert fold([seen("executed", 1_001)]).key == "r1"
    assert fold([seen("executed", 1_001, about=(None, "7"))]).key == "#7"
    assert fold([hook("before", 1_000)]).key == "r1"


def test_a_task_without_a_record_is_what_its_hooks_claim_to_be() -> None:
    facts = [hook("before", 1_000, task_id="7", queue_id="5"), hook("after", 1_300)]
    timeline = fold(facts)
    assert (timeline.task_id, timeline.claimed_id, timeline.queue_id) == (None, "7", "5")
    assert timeline.plan is None


def test_times_run_from_the_first_fact_to_the_last_and_the_end_is_when_it_was_first_heard() -> None:
    timeline = fold([seen("scheduled", 900), hook("after", 1_300), finished("failed", 1_400), settled(2_000)])
    assert (timeline.first_at, timeline.finished_at, timeline.last_at) == (900, 1_300, 2_000)
    assert fold([hook("success", 1_000)]).finished_at is None


def test_the_call_is_the_apis_word_or_else_the_last_a_hook_named() -> None:
    hooks = [hook("success", 1_030, call="h-1"), hook("after", 1_031, call="h-2")]
    assert fold(hooks).cdr == "h-2"
    assert fold([*hooks, finished("success", 1_100, cdr="U-9")]).cdr == "U-9"
    assert fold([*hooks, seen("executed", 1_001, cdr="U-8"), finished("success", 1_100)]).cdr == "U-8"


def test_a_found_call_record_stands_before_a_missing_one_in_either_order() -> None:
    facts = [finished("success", 1_100, cdr="U-1")]
    found, missing = called("u1", 1_200, result="bridged"), called("U-1", 1_300, found=False)
    for calls in fold([*facts, found, missing]).calls, fold([*facts, missing, found]).calls:
        assert [call.result for call in calls] == ["bridged"]


def test_one_delivery_recorded_twice_counts_once() -> None:
    fact = hook("before", 1_000)
    assert fold([fact, fact]).hooks.duplicates["before"] == 0
