import pytest

from receiver.domain.expected_hooks import expected_hooks, missing_hooks
from receiver.domain.facts import EVENTS
from receiver.domain.fold import fold
from tests.factories import finished, hook, seen, settled

FULL = [hook("before", 1_000), hook("before_again", 1_060), hook("before_again", 1_120), hook("after", 1_150)]


@pytest.mark.parametrize(
    ("stage", "attempts", "counts"),
    [
        ("scheduled", 0, (0, 0, 0, 0)),
        ("executed", 1, (1, 0, 0, 0)),
        ("delayed", 2, (1, 1, 0, 0)),
        ("connected", 2, (1, 1, 1, 0)),
        ("succeeded", 1, (1, 0, 1, 1)),
        ("failed", 3, (1, 2, 0, 1)),
        ("ended", 1, (1, 0, 0, 1)),
        ("gone", 2, (1, 1, 0, 0)),
    ],
)
def test_plan_and_end_say_which_hooks_had_to_come(
    stage: str, attempts: int, counts: tuple[int, int, int, int]
) -> None:
    assert tuple(expected_hooks(stage, attempts).values()) == counts


def test_only_hooks_whose_url_leads_to_us_are_expected() -> None:
    assert expected_hooks("failed", 3, ("after",)) == dict(zip(EVENTS, (0, 0, 0, 1), strict=True))


def test_missing_is_what_was_expected_less_what_arrived_and_never_negative() -> None:
    expected = {"before": 1, "before_again": 2, "success": 0, "after": 1}
    assert missing_hooks(expected, {"before": 3, "success": 1, "before_again": 1}) == {
        "before_again": 1,
        "after": 1,
    }


def test_a_failed_task_whose_hooks_all_came_has_lost_none() -> None:
    timeline = fold([*FULL, finished("failed", 1_200), settled(2_000)])
    assert timeline.hooks.expected == timeline.hooks.arrived == dict(zip(EVENTS, (1, 2, 0, 1), strict=True))
    assert timeline.hooks.lost == {}
    assert timeline.findings == ()


@pytest.mark.parametrize("dropped", range(4))
def test_each_hook_that_a_failed_task_lost_is_counted_under_its_event(dropped: int) -> None:
    kept = [fact for number, fact in enumerate(FULL) if number != dropped]
    event = ("before", "before_again", "before_again", "after")[dropped]
    assert fold([*kept, finished("failed", 1_200), settled(2_000)]).hooks.lost == {event: 1}


def test_nothing_is_lost_before_the_time_for_late_hooks_is_over() -> None:
    assert fold([finished("failed", 1_200)]).hooks.lost == {}
    assert fold([finished("failed", 1_200), settled(2_000)]).hooks.lost == {
        "before": 1,
        "before_again": 2,
        "after": 1,
    }


def test_a_success_proves_one_attempt_and_no_more() -> None:
    lost = fold([finished("success", 1_200), settled(2_000)]).hooks.lost
    assert lost == {"before": 1, "success": 1, "after": 1}


def test_a_before_again_that_came_proves_that_a_before_was_sent() -> None:
    facts = [hook("before_again", 1_060), hook("success", 1_070), hook("after", 1_080)]
    assert fold([*facts, finished("success", 1_200), settled(2_000)]).hooks.lost == {"before": 1}


def test_a_task_without_our_urls_has_no_hooks_to_lose() -> None:
    timeline = fold([finished("failed", 1_200, hooks=()), settled(2_000)])
    assert not any(timeline.hooks.expected.values())
    assert timeline.findings == ()


def test_an_open_task_expects_what_its_attempts_announced() -> None:
    facts = [hook("before_again", 1_060), seen("executed", 1_061)]
    assert fold(facts).hooks.expected == dict(zip(EVENTS, (1, 1, 0, 0), strict=True))
