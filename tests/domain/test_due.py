from receiver.domain.facts import Fact
from receiver.domain.fold import fold
from receiver.domain.timeline import Due
from tests.factories import PAUSE, START, called, finished, gone, hook, seen, settled


def due(*facts: Fact) -> Due | None:
    return fold(facts).due


def test_a_scheduled_task_is_due_at_its_planned_start() -> None:
    assert due(seen("scheduled", 100)) == Due(START, "progress")


def test_a_task_heard_of_after_its_planned_start_is_due_at_once() -> None:
    assert due(seen("scheduled", 1_500)) == Due(1_500, "progress")
    assert due(seen("scheduled", 1_500, start_at=None)) == Due(1_500, "progress")


def test_a_running_task_is_due_from_its_last_fact_on() -> None:
    assert due(hook("before", 1_000), seen("executed", 1_010)) == Due(1_010, "progress")


def test_a_waiting_task_is_due_when_its_pause_is_over() -> None:
    assert due(seen("delayed", 1_010)) == Due(1_010 + PAUSE, "progress")
    assert due(seen("delayed", 1_010, pause=None)) == Due(1_010, "progress")


def test_a_task_that_ended_by_its_hooks_wants_to_be_confirmed() -> None:
    assert due(hook("after", 1_200)) == Due(1_200, "confirm")


def test_a_confirmed_task_waits_for_the_records_of_its_calls() -> None:
    ended = finished("failed", 1_300, cdr="U-1")
    assert due(ended) == Due(1_300, "call")
    assert due(ended, called("u1", 1_400)) == Due(1_300, "settle")
    assert due(ended, called("U-1", 1_400, found=False)) == Due(1_300, "settle")


def test_a_call_that_only_a_hook_named_is_asked_for_too() -> None:
    timeline = fold(
        [finished("failed", 1_300, cdr="U-1"), hook("after", 1_200, call="U-2"), called("u1", 1_400)]
    )
    assert timeline.missing_calls == ("U-2",)
    assert timeline.due == Due(1_400, "call")


def test_a_confirmed_task_waits_for_late_hooks_then_for_nothing() -> None:
    assert due(finished("failed", 1_300)) == Due(1_300, "settle")
    assert due(finished("failed", 1_300), settled(2_000)) is None


def test_a_task_that_is_gone_waits_for_late_hooks_only() -> None:
    assert due(hook("before", 1_000), gone(5_000)) == Due(5_000, "settle")
    assert due(hook("after", 1_200), gone(5_000)) == Due(1_200, "settle")


def test_a_connected_task_is_asked_about_until_its_end_is_known() -> None:
    assert due(seen("executed", 1_000), hook("success", 1_100)) == Due(1_100, "progress")


def test_a_task_that_only_its_hooks_know_is_looked_for_until_they_say_that_it_ended() -> None:
    assert due(hook("before", 1_000)) == Due(1_000, "find")
    assert due(hook("before", 1_000), seen("scheduled", 900)) == Due(1_000, "progress")
    assert due(hook("before", 1_000), hook("after", 1_200)) == Due(1_200, "confirm")


def test_a_task_is_settled_without_the_record_of_a_call_and_still_asks_for_it() -> None:
    ended, over = finished("failed", 1_300, cdr="U-1"), settled(1_600)
    assert due(ended, over) == Due(1_600, "call")
    assert due(ended, over, called("u1", 1_700, found=False)) is None
