import pytest

from receiver.domain.facts import Fact
from receiver.domain.fold import fold
from receiver.domain.timeline import ANOMALY_KINDS, DRIFT_KINDS, Finding
from tests.factories import called, finished, gone, hook, seen, settled


def kinds(facts: list[Fact]) -> dict[tuple[str, str], int]:
    return {(finding.category, finding.kind): finding.count for finding in fold(facts).findings}


def test_an_undisturbed_task_has_no_findings() -> None:
    facts = [
        hook("before", 1_000),
        hook("success", 1_030, call="U-1"),
        hook("after", 1_031, call="U-1", result="bridged"),
        finished("success", 1_100, cdr="u-1"),
        called("u1", 1_101, init_at=1_001.0),
        settled(2_000),
    ]
    assert fold(facts).findings == ()


def test_hooks_that_say_success_where_the_api_says_failed_are_result_drift() -> None:
    facts = [hook("success", 1_030), finished("failed", 1_100)]
    assert kinds(facts) == {("drift", "result"): 1}


def test_an_end_that_the_api_changes_is_result_drift() -> None:
    facts = [hook("after", 1_031, result="failed"), finished("success", 1_100)]
    assert fold(facts).findings == (Finding("drift", "result", 1, "finished_success after failed"),)


def test_an_after_that_names_another_call_than_the_api_is_cdr_drift() -> None:
    facts = [hook("after", 1_031, call="u-2"), finished("failed", 1_100, cdr="u-1")]
    assert kinds(facts) == {("drift", "cdr"): 1}


def test_an_after_that_spells_the_same_call_otherwise_is_no_drift() -> None:
    facts = [hook("after", 1_031, call="0FA3-77BC"), finished("failed", 1_100, cdr="0fa377bc")]
    assert kinds(facts) == {}


def test_an_open_tasks_call_is_not_held_against_its_hooks() -> None:
    assert kinds([hook("after", 1_031, call="u-2"), seen("executed", 1_001, cdr="u-1")]) == {}


def test_more_repeats_than_the_plan_allows_are_attempts_drift() -> None:
    facts = [hook("before_again", at) for at in (1_060, 1_120, 1_180, 1_240)]
    assert kinds([*facts, seen("executed", 1_250)]) == {("drift", "attempts"): 2}


def test_as_many_repeats_as_the_plan_allows_are_no_drift() -> None:
    assert kinds([hook("before_again", at) for at in (1_060, 1_120)] + [seen("executed", 1_250)]) == {}


def test_a_task_that_the_scheduler_no_longer_knows_is_gone_drift() -> None:
    assert kinds([hook("before", 1_000), gone(5_000)]) == {("drift", "gone"): 1}


def test_a_task_that_ended_by_its_hooks_before_it_was_deleted_is_no_drift() -> None:
    assert kinds([hook("after", 1_000, result="failed"), gone(5_000)]) == {}


def test_a_settled_task_of_whose_hooks_none_came_was_silent() -> None:
    found = kinds([finished("failed", 1_100), settled(2_000)])
    assert found[("drift", "silent")] == 1
    assert ("drift", "silent") not in kinds(
        [hook("before", 1_000), finished("failed", 1_100), settled(2_000)]
    )


def test_an_after_that_contradicts_a_success_is_a_misfit() -> None:
    facts = [hook("success", 1_030), hook("after", 1_031, result="failed")]
    assert fold(facts).findings == (Finding("anomaly", "misfit", 1, "after_failed after connected"),)


def test_unreadable_and_late_deliveries_are_counted() -> None:
    facts = [
        hook("before", 1_000, readable=False),
        hook("after", 2_500, readable=False),
        hook("after", 2_501),
        finished("failed", 1_100, try_count=1),
        settled(2_000),
    ]
    assert kinds(facts) == {("anomaly", "unreadable"): 2, ("anomaly", "late"): 2}


@pytest.mark.parametrize(("sent_at", "skewed"), [(399.0, 1), (400.0, 0), (1_600.0, 0), (1_601.0, 1)])
def test_a_sender_whose_clock_is_more_than_ten_minutes_off_is_noticed(sent_at: float, skewed: int) -> None:
    found = kinds([hook("before", 1_000, sent_at=sent_at)])
    assert found == ({("anomaly", "clock_skew"): 1} if skewed else {})


def test_a_ref_that_two_tasks_carry_is_noticed() -> None:
    facts = [seen("executed", 1_001), seen("executed", 1_002, about=("r1", "12"))]
    (finding,) = fold(facts).findings
    assert (finding.category, finding.kind, finding.count) == ("anomaly", "shared_ref", 1)
    assert finding.detail.endswith(": 12")


def test_another_tasks_call_under_the_same_ref_is_not_this_tasks_drift() -> None:
    facts = [
        finished("failed", 1_100, cdr="u-1"),
        hook("after", 1_031, about=("r1", "12"), call="u-9"),
    ]
    assert ("drift", "cdr") not in kinds(facts)


def test_all_kinds_are_declared_once_per_task() -> None:
    facts = [
        hook("success", 1_030, sent_at=5.0),
        hook("after", 2_600, call="u-2", readable=False),
        hook("after", 2_601, call="u-3", result="failed"),
        seen("paused", 1_010),
        finished("failed", 1_100, cdr="u-1"),
        seen("executed", 1_002, about=("r1", "12")),
        settled(2_000),
    ]
    found = kinds(facts)
    assert len(found) == len(fold(facts).findings)
    for category, kind in found:
        assert category == "lost_hook" or kind in (DRIFT_KINDS if category == "drift" else ANOMALY_KINDS)
