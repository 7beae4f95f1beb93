from typing import Any

import pytest

from receiver.domain.attempt_bounds import (
    Announced,
    AttemptBounds,
    count_attempts,
    occurrences,
    split_occurrences,
)
from receiver.domain.facts import CallRecord, Fact, TaskSnapshot
from receiver.domain.fold import fold
from tests.factories import PAUSE, START, called, finished, hook, seen, settled

NOTHING, FIRST_ONLY = Announced(0, 0), Announced(1, 1)


def again(*times: float, **fields: Any) -> list[Fact]:
    return [hook("before_again", at, copy=number, **fields) for number, at in enumerate(times)]


def times(groups: list[list[Fact]]) -> list[list[float]]:
    return [[fact.at for fact in group] for group in groups]


def test_silent_repeats_farther_apart_than_the_pause_are_occurrences_of_their_own() -> None:
    assert times(occurrences(again(100, 161, 230), PAUSE)) == [[100], [161], [230]]


def test_silent_repeats_closer_together_than_the_pause_are_one_occurrence() -> None:
    assert times(occurrences(again(100, 100, 159.9), PAUSE)) == [[100, 100, 159.9]]


def test_a_repeat_exactly_one_pause_later_is_an_occurrence_of_its_own() -> None:
    assert times(occurrences(again(100, 160), PAUSE)) == [[100], [160]]


def test_the_pause_counts_from_the_first_of_a_group_so_that_copies_do_not_stretch_it() -> None:
    assert times(occurrences(again(100, 150, 165), PAUSE)) == [[100, 150], [165]]


def test_while_the_pause_is_unknown_silent_repeats_count_as_one() -> None:
    assert times(occurrences(again(100, 100_000), None)) == [[100, 100_000]]


def test_while_the_pause_is_unknown_numbers_of_attempts_tell_silent_repeats_apart() -> None:
    deliveries = again(100, 105, attempt=2) + again(200, 205, attempt=3) + again(110, attempt=2)
    assert times(occurrences(deliveries, None)) == [[100, 105, 110], [200, 205]]


def test_once_the_pause_is_known_numbers_of_attempts_count_for_nothing() -> None:
    """A sender may count with them how often it has sent a hook."""
    deliveries = again(100, attempt=1) + again(103, attempt=2) + again(200, attempt=1)
    assert times(occurrences(deliveries, PAUSE)) == [[100, 103], [200]]


def test_repeats_that_name_a_call_are_one_occurrence_per_call_however_it_is_spelled() -> None:
    deliveries = again(100, 105, call="AB-1") + again(110, call="AB-2") + again(500, call="ab1")
    assert times(occurrences(deliveries, PAUSE)) == [[100, 105, 500], [110]]


def test_the_order_of_deliveries_does_not_matter_to_the_groups() -> None:
    deliveries = again(230, 100, 161, 100)
    assert occurrences(deliveries, PAUSE) == occurrences(deliveries[::-1], PAUSE)


def test_bounds_without_a_plan_have_no_top() -> None:
    assert count_attempts(None, "executed", Announced(2, 2), {}) == AttemptBounds(2, None)


@pytest.mark.parametrize(
    ("stage", "low"),
    [
        ("new", 0),
        ("scheduled", 0),
        ("delayed", 0),
        ("executed", 1),
        ("connected", 1),
        ("succeeded", 1),
        ("ended", 1),
        ("failed", 3),
    ],
)
def test_what_the_stage_alone_proves(stage: str, low: int) -> None:
    assert count_attempts(TaskSnapshot("x", try_count=3), stage, NOTHING, {}) == AttemptBounds(low, 3)


def test_a_task_that_waits_for_its_working_hours_need_not_have_been_tried() -> None:
    attempts = fold([seen("delayed_interval", 1_001)]).attempt_bounds
    assert (attempts.low, attempts.high) == (0, 3)


def test_a_failed_task_has_used_its_try_count() -> None:
    attempts = fold([finished("failed", 9_000)]).attempt_bounds
    assert (attempts.low, attempts.high, attempts.exact) == (3, 3, True)


def test_a_task_that_succeeded_may_have_needed_any_number_of_attempts() -> None:
    attempts = fold([finished("success", 9_000)]).attempt_bounds
    assert (attempts.low, attempts.high, attempts.exact) == (1, 3, False)


def test_each_distinct_call_is_an_attempt() -> None:
    facts = [
        seen("executed", 1_001, cdr="U-1"),
        seen("executed", 1_100, cdr="u-2"),
        finished("success", 9_000),
    ]
    assert fold(facts).attempt_bounds.low == 2
    assert fold([*facts, seen("delayed", 1_050, cdr="u1")]).attempt_bounds.low == 2


def test_a_call_that_only_a_hook_names_counts_once_call_history_knows_it() -> None:
    facts = [hook("before", 1_001), hook("success", 1_010, call="A-1"), hook("after", 1_020, call="A-2")]
    assert fold(facts).attempt_bounds.low == 1
    assert fold([*facts, called("a1", 1_030), called("a2", 1_031)]).attempt_bounds.low == 2
    assert fold([*facts, called("a1", 1_030), called("a2", 1_031, found=False)]).attempt_bounds.low == 1


def test_the_last_calls_begin_bounds_the_attempts_from_above() -> None:
    """With 60 s between attempts, a last call that began 70 s after the start was at most the second."""
    facts = [finished("success", 9_000, cdr="u1"), called("u1", 9_001, init_at=START + 70)]
    assert fold(facts).attempt_bounds == AttemptBounds(1, 2)


def test_whole_second_stamps_do_not_take_an_attempt_away() -> None:
    facts = [finished("success", 9_000, cdr="u1"), called("u1", 9_001, init_at=START + 2 * PAUSE - 1)]
    assert fold(facts).attempt_bounds.high == 3


def test_a_failed_task_whose_calls_leave_no_room_has_not_used_its_try_count() -> None:
    facts = [finished("failed", 9_000, cdr="u1"), called("u1", 9_001, init_at=START + 5)]
    assert fold(facts).attempt_bounds == AttemptBounds(1, 1)


def test_a_call_before_the_planned_start_is_one_attempt_all_the_same() -> None:
    facts = [finished("success", 9_000, cdr="u1"), called("u1", 9_001, init_at=START - 500)]
    assert fold(facts).attempt_bounds == AttemptBounds(1, 1)


def test_calls_that_the_api_named_are_not_argued_away_by_a_planned_start() -> None:
    """The planned start may have been moved; two calls are two attempts."""
    calls: dict[str, CallRecord | None] = {"u1": None, "u2": CallRecord("u2", init_at=START + 5)}
    plan = TaskSnapshot("finished", cdr="u2", try_count=3, pause=PAUSE, start_at=START)
    assert count_attempts(plan, "succeeded", NOTHING, calls) == AttemptBounds(2, 2)


def test_more_announcements_than_tries_stay_within_the_try_count() -> None:
    facts = [*again(1_060, 1_120, 1_180, 1_240), finished("failed", 9_000)]
    assert fold(facts).attempt_bounds == AttemptBounds(3, 3)


def test_what_lies_between_two_known_calls_bounds_the_attempts_nobody_told_of() -> None:
    calls: dict[str, CallRecord | None] = {
        "u1": CallRecord("u1", init_at=START + 2, hangup_at=START + 2 + 5 * PAUSE),
        "u2": CallRecord("u2", init_at=START + 2 + 7 * PAUSE + 10),
    }
    plan = TaskSnapshot("finished", cdr="u2", try_count=9, pause=PAUSE, start_at=START)
    assert count_attempts(plan, "succeeded", FIRST_ONLY, calls) == AttemptBounds(2, 3)


def test_neighbouring_calls_settle_the_number_of_attempts() -> None:
    calls: dict[str, CallRecord | None] = {
        "u1": CallRecord("u1", init_at=START + 2, hangup_at=START + 2 + 5 * PAUSE),
        "u2": CallRecord("u2", init_at=START + 2 + 6 * PAUSE + 10),
    }
    plan = TaskSnapshot("finished", cdr="u2", try_count=9, pause=PAUSE, start_at=START)
    assert count_attempts(plan, "succeeded", FIRST_ONLY, calls) == AttemptBounds(2, 2)


@pytest.mark.parametrize(
    ("gap", "proven", "told_apart"),
    [
        (0.9 * PAUSE, 1, 1),
        (0.9 * PAUSE, 2, 2),
        (0.5 * PAUSE, 2, 2),
        (0.4 * PAUSE, 2, 1),
        (1.0 * PAUSE, 1, 2),
    ],
)
def test_deliveries_held_up_on_their_way_are_told_apart_where_the_api_proves_more(
    gap: float, proven: int, told_apart: int
) -> None:
    groups = occurrences(again(0, gap), PAUSE)
    assert len(split_occurrences(groups, PAUSE, proven)) == told_apart


def test_only_as_many_are_told_apart_as_are_proven_the_widest_gap_first() -> None:
    groups = occurrences(again(0, 0.5 * PAUSE, 1.1 * PAUSE, 1.9 * PAUSE), PAUSE)
    assert times(groups) == [[0, 0.5 * PAUSE], [1.1 * PAUSE, 1.9 * PAUSE]]
    assert [len(group) for group in split_occurrences(groups, PAUSE, 3)] == [2, 1, 1]
    assert [len(group) for group in split_occurrences(groups, PAUSE, 9)] == [1, 1, 1, 1]


def test_copies_that_name_their_call_are_never_told_apart() -> None:
    groups = occurrences(again(0, 0.9 * PAUSE, call="u1"), PAUSE)
    assert split_occurrences(groups, PAUSE, 2) == groups


@pytest.mark.parametrize(("gap", "lost"), [(0.8 * PAUSE, {}), (2.0, {"before_again": 1})])
def test_a_late_sibling_is_not_lost_but_a_copy_does_not_stand_for_a_lost_hook(
    gap: float, lost: dict[str, int]
) -> None:
    hooks = [hook("before", START), *again(START + 100, START + 100 + gap), hook("after", START + 500)]
    facts = [*hooks, finished("failed", START + 501, try_count=3, pause=PAUSE), settled(START + 900)]
    assert fold(facts).hooks.lost == lost
