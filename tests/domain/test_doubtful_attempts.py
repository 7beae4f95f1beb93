"""What the number of attempts must not rest on: empty hooks, a pause of 0, and that a failure uses all."""

from typing import Any

import pytest

from receiver.domain.facts import Fact
from receiver.domain.fold import fold
from receiver.domain.timeline import Timeline
from tests.factories import ACCOUNT, START, called, finished, hook, seen, settled

BEFORE, AFTER = hook("before", START + 1), hook("after", START + 200)


def again(*times: float, **fields: Any) -> list[Fact]:
    return [hook("before_again", START + at, copy=number, **fields) for number, at in enumerate(times)]


def anomalies(timeline: Timeline) -> list[str]:
    return [finding.kind for finding in timeline.findings if finding.category == "anomaly"]


@pytest.mark.parametrize("pause", [0.0, -1.0, None])
def test_a_pause_of_nothing_is_an_unknown_pause(pause: float | None) -> None:
    """Each copy of an empty hook would be an attempt."""
    timeline = fold([BEFORE, *again(60, 62, 64), seen("executed", START, pause=pause, try_count=9)])
    assert (timeline.attempt_bounds.low, timeline.hooks.duplicates["before_again"]) == (2, 2)


def test_a_pause_of_nothing_leaves_room_for_any_number_of_attempts() -> None:
    facts = [finished("success", START + 300, cdr="u1", pause=0.0), called("u1", 400, init_at=START + 1)]
    assert fold(facts).attempt_bounds.high == 3


def test_a_number_is_not_exact_by_empty_repeats_alone() -> None:
    """The second may be the first, repeated after more than a pause."""
    timeline = fold([BEFORE, *again(70, 140), AFTER, finished("success", START + 210)])
    assert (timeline.attempt_bounds.low, timeline.attempt_bounds.high, timeline.attempt_bounds.exact) == (
        3,
        3,
        False,
    )


def test_one_empty_repeat_proves_a_second_attempt() -> None:
    timeline = fold([BEFORE, *again(70), AFTER, finished("success", START + 210, try_count=2)])
    assert timeline.attempt_bounds.exact


def test_repeats_that_name_different_calls_are_attempts() -> None:
    repeats = [*again(70, call="u1"), hook("before_again", START + 140, call="u2")]
    assert fold([BEFORE, *repeats, AFTER, finished("success", START + 210)]).attempt_bounds.exact


def test_calls_bear_out_what_empty_repeats_say() -> None:
    snapshots = [seen("delayed", START + at, cdr=f"u{n}") for n, at in enumerate((30, 100), 1)]
    facts = [BEFORE, *again(70, 140), *snapshots, finished("success", START + 210, cdr="u3")]
    assert fold(facts).attempt_bounds.exact


def early(**fields: Any) -> list[Fact]:
    """A task that failed after its first call, as the call's times prove."""
    call = called("u1", START + 300, init_at=START + 5, hangup_at=START + 25)
    return [BEFORE, hook("after", START + 26), finished("failed", START + 30, cdr="u1", **fields), call]


def test_a_task_that_is_proven_to_have_failed_early_is_an_anomaly_that_says_what_to_do() -> None:
    timeline = fold([*early(), settled(START + 900)])
    assert (timeline.attempt_bounds.low, timeline.attempt_bounds.high) == (1, 1)
    (anomaly,) = [finding for finding in timeline.findings if finding.category == "anomaly"]
    assert anomaly.kind == "failed_early"
    assert "failed_uses_all_attempts = false" in anomaly.detail
    assert "receiver rebuild" in anomaly.detail
    assert timeline.hooks.lost == {}


def test_where_tasks_may_fail_early_that_is_no_anomaly() -> None:
    assert anomalies(fold(early(), failing_early={ACCOUNT})) == []


def test_where_tasks_may_fail_early_a_failure_says_nothing_of_their_number() -> None:
    facts = [BEFORE, AFTER, finished("failed", START + 210), settled(START + 900)]
    assert fold(facts).attempt_bounds.exact
    timeline = fold(facts, failing_early={ACCOUNT})
    assert (timeline.attempt_bounds.low, timeline.attempt_bounds.high, timeline.hooks.lost) == (1, 3, {})
    assert fold(facts, failing_early={"another"}) == fold(facts)


@pytest.mark.parametrize("waits", ["before", "delayed_concurrent_task"])
def test_time_spent_waiting_in_a_full_queue_is_no_room_for_attempts(waits: str) -> None:
    """It began half an hour late, and failed early: nothing proves that it used its three attempts."""
    late = START + 1_800
    begin = hook("before", late) if waits == "before" else seen(waits, late)
    call = called("u1", late + 300, init_at=late + 2, hangup_at=late + 20)
    facts = [begin, hook("after", late + 21), finished("failed", late + 25, cdr="u1"), call]
    timeline = fold(facts)
    assert (timeline.attempt_bounds.low, timeline.attempt_bounds.high, timeline.attempt_bounds.exact) == (
        1,
        3,
        False,
    )


def test_a_failure_without_a_call_and_without_time_for_all_attempts_is_not_exact() -> None:
    facts = [BEFORE, hook("after", START + 20), finished("failed", START + 25)]
    assert not fold(facts).attempt_bounds.exact


def test_calls_whose_times_cannot_be_are_no_bound() -> None:
    """A scheduler may name the first call to the end, and announce more attempts."""
    repeats = [*again(70, call="u1"), hook("before_again", START + 140, call="u2")]
    facts = [*early(), *repeats]
    assert (fold(facts).attempt_bounds.low, fold(facts).attempt_bounds.high) == (3, 3)
    assert anomalies(fold(facts)) == []


@pytest.mark.parametrize("tries", [0, -1, 10**9])
def test_a_try_count_that_cannot_be_is_none(tries: int) -> None:
    attempts = fold([BEFORE, finished("failed", START + 25, try_count=tries)]).attempt_bounds
    assert (attempts.low, attempts.high) == (1, None)


def test_a_record_that_echoes_no_urls_does_not_take_back_which_hooks_are_ours() -> None:
    snapshots = seen("scheduled", START - 5, hooks=("before", "after"))
    mute = finished("failed", START + 300, hooks=(), mute=True, try_count=1)
    assert fold([snapshots, mute, settled(START + 900)]).hooks.lost == {"before": 1, "after": 1}
    assert fold([BEFORE, mute, settled(START + 900)]).hooks.lost == {"after": 1}
    stranger = finished("failed", START, about=(None, "7"), hooks=(), mute=True)
    assert fold([stranger, settled(START + 900, about=(None, "7"))]).hooks.lost == {}
