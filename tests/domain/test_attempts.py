"""A task's attempts one by one: what hooks and call history tell of each."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.attempts import Attempt
from receiver.domain.facts import Fact
from receiver.domain.fold import fold
from tests.domain.strategies import facts_of_one_task
from tests.factories import START, called, finished, gone, hook, seen

A, B = "+79990000001", "+79990000002"
FIRST, SECOND, THIRD = START + 2, START + 102, START + 202
"""When three attempts begin, farther apart than the pause."""

ANSWERED, BUSY, SILENT = "answered", "busy", "not answered"


def leg(number: str, result: str) -> dict[str, Any]:
    return {"dest_number": number, "result": result}


def record(call: str, begin: float, *legs: dict[str, Any], **fields: Any) -> Fact:
    """Call history's record of a call of 20 s that did not come to a talk."""
    defaults: dict[str, Any] = {
        "result": "failed",
        "init_at": begin,
        "hangup_at": begin + 20,
        "duration": 20.0,
        "legs": legs,
    }
    return called(call, begin + 500, **(defaults | fields))


def talked(call: str, begin: float) -> Fact:
    """The same of a call that did: from the 15th second on, for 5."""
    fields = {"result": "bridged", "bridged_at": begin + 15, "bridged_duration": 5.0}
    return record(call, begin, leg(A, ANSWERED), leg(B, ANSWERED), **fields)


def failed(**fields: Any) -> Fact:
    return finished("failed", START + 900, a_number=A, **fields)


def made(*facts: Fact) -> tuple[Attempt, ...]:
    return fold(facts).attempts


def calls(*facts: Fact) -> list[str | None]:
    return [attempt.call for attempt in made(*facts)]


def starts(*facts: Fact) -> list[float | None]:
    return [attempt.started_at for attempt in made(*facts)]


BEFORE, AGAIN, LAST = (
    hook("before", FIRST),
    hook("before_again", SECOND),
    hook("before_again", THIRD),
)
ALL_CALLS = [record("u1", FIRST), record("u2", SECOND), record("u3", THIRD)]
PLAN = seen("executed", START)
NAMED = [seen("executed", at, cdr=call) for call, at in (("u1", FIRST), ("u2", SECOND))]


def test_hooks_alone_tell_when_each_attempt_began() -> None:
    attempts = made(BEFORE, AGAIN, LAST, PLAN)
    assert [(attempt.number, attempt.started_at, attempt.gap_s) for attempt in attempts] == [
        (1, FIRST, None),
        (2, SECOND, 100.0),
        (3, THIRD, 100.0),
    ]
    assert {(attempt.call, attempt.bridged, attempt.a_answered, attempt.talk_s) for attempt in attempts} == {
        (None,) * 4
    }


def test_without_facts_that_prove_one_there_is_none() -> None:
    assert made(seen("scheduled", START)) == made(seen("delayed_interval", START)) == ()


def test_an_attempt_is_under_way_until_the_task_goes_on() -> None:
    (first,) = made(BEFORE)
    assert (first.connected, first.verdict) == (None, None)
    first, second = made(BEFORE, AGAIN)
    assert (first.connected, second.connected, second.verdict) == (False, None, None)


def test_a_call_that_was_hung_up_unbridged_is_over_before_the_task_is() -> None:
    (first,) = made(BEFORE, *NAMED[:1], record("u1", FIRST, leg(A, SILENT)))
    assert (first.connected, first.verdict and first.verdict.result) == (False, "no_answer")
    (first,) = made(BEFORE, *NAMED[:1], talked("u1", FIRST))
    assert (first.connected, first.verdict, first.bridged) == (None, None, True)


@pytest.mark.parametrize("word", ["bridged", "BRIDGED"])
def test_a_call_without_the_moment_of_its_bridge_is_bridged_by_its_result(word: str) -> None:
    (first,) = made(BEFORE, *NAMED[:1], record("u1", FIRST, result=word))
    assert (first.bridged, first.a_answered, first.b_answered, first.connected) == (True, True, True, None)


def test_all_calls_known_are_the_attempts_whatever_the_hooks_say() -> None:
    hooks = [hook("before", THIRD + 400), hook("before_again", FIRST - 300), hook("before_again", SECOND)]
    facts = [failed(cdr="u3"), *NAMED, *ALL_CALLS]
    assert calls(*facts) == calls(*hooks, *facts) == ["u1", "u2", "u3"]
    assert starts(*facts) == starts(*hooks, *facts) == [FIRST, SECOND, THIRD]


def test_of_a_failed_task_the_only_call_that_is_known_is_its_last_attempt() -> None:
    assert calls(failed(cdr="u3"), record("u3", THIRD)) == [None, None, "u3"]
    assert starts(BEFORE, failed(cdr="u3"), record("u3", THIRD)) == [FIRST, None, THIRD]


def test_the_latest_call_is_of_the_latest_attempt_also_of_an_open_task() -> None:
    facts = [*NAMED, record("u2", SECOND)]
    assert calls(*facts) == [None, "u2"]
    assert [attempt.verdict and attempt.verdict.result for attempt in made(*facts)] == ["unknown", "failed"]


@pytest.mark.parametrize("late", [0.0, 5.0, 29.0])
@pytest.mark.parametrize("known", [("u1",), ("u2",), ("u3",), ("u1", "u3"), ("u2", "u3"), ("u1", "u2")])
def test_a_call_belongs_to_the_announcement_next_to_it(late: float, known: tuple[str, ...]) -> None:
    hooks = [hook("before", FIRST + late), *(hook("before_again", at + late) for at in (SECOND, THIRD))]
    facts = [
        fact for fact in ALL_CALLS if fact.id.split("/")[2] and getattr(fact.payload, "call", "") in known
    ]
    got = made(*hooks, failed(cdr="u3"), *NAMED, *facts)
    assert [attempt.call for attempt in got] == [
        call if call in known else None for call in ("u1", "u2", "u3")
    ]
    for attempt, at in zip(got, (FIRST, SECOND, THIRD), strict=True):
        assert attempt.started_at == (at if attempt.call else at + late)


def test_hooks_that_name_the_call_before_do_not_take_it_along() -> None:
    hooks = [BEFORE, hook("before_again", SECOND, call="u1"), hook("before_again", THIRD, call="u2")]
    facts = [failed(cdr="u3"), record("u2", SECOND), record("u3", THIRD)]
    assert calls(*hooks, *facts) == [None, "u2", "u3"]
    assert calls(BEFORE, hook("before_again", SECOND, call="u1"), record("u1", FIRST)) == ["u1", None]


def test_a_lost_before_leaves_the_first_attempt_without_a_time() -> None:
    assert starts(AGAIN) == [None, SECOND]
    assert starts(AGAIN, LAST, PLAN) == [None, SECOND, THIRD]
    assert starts(AGAIN, LAST, failed()) == [None, SECOND, THIRD]
    assert starts(AGAIN, failed(cdr="u2"), record("u2", SECOND)) == [None, SECOND]


def test_a_call_that_nobody_announced_is_the_first_where_before_is_lost() -> None:
    facts = [AGAIN, failed(cdr="u3"), *NAMED[:1], record("u1", FIRST)]
    assert starts(*facts) == [FIRST, SECOND, None]
    assert calls(*facts) == ["u1", None, None]


def test_a_lost_before_again_leaves_its_attempt_without_a_time() -> None:
    assert starts(BEFORE, failed()) == [FIRST, None, None]
    assert starts(BEFORE, LAST, failed(cdr="u3"), record("u3", THIRD)) == [FIRST, None, THIRD]
    assert [attempt.gap_s for attempt in made(BEFORE, failed(cdr="u3"), record("u3", THIRD))] == [None] * 3


def test_a_before_that_came_behind_a_before_again_does_not_tell_when_the_first_began() -> None:
    assert starts(hook("before", THIRD), AGAIN) == [None, SECOND]
    assert starts(hook("before", SECOND), AGAIN) == [SECOND, SECOND]
    assert starts(hook("before", THIRD), AGAIN, *NAMED[:1], record("u1", FIRST)) == [FIRST, SECOND]


def test_an_announcement_held_up_for_long_does_not_push_a_call_out() -> None:
    """One attempt, one call: where the hook came long after it, it is still about the same."""
    late = hook("before", THIRD)
    facts = [finished("success", START + 900, cdr="u1"), talked("u1", FIRST)]
    assert (calls(late, *facts), starts(late, *facts)) == (["u1"], [FIRST])
    early = hook("before", FIRST)
    facts = [finished("success", START + 900, cdr="u1"), talked("u1", THIRD)]
    assert (calls(early, *facts), starts(early, *facts)) == (["u1"], [THIRD])
    held_up = [BEFORE, hook("before_again", SECOND + 300), failed(cdr="u2", try_count=2)]
    assert starts(*held_up, record("u2", SECOND)) == [FIRST, SECOND]


def test_what_was_announced_behind_the_last_call_of_a_task_that_is_over_came_late() -> None:
    facts = [BEFORE, hook("before_again", THIRD + 250), failed(cdr="u3"), record("u3", THIRD)]
    assert starts(*facts) == [FIRST, None, THIRD]
    facts[2] = seen("executed", THIRD, cdr="u3")
    assert starts(*facts) == [FIRST, THIRD]


def test_more_announcements_than_attempts_leave_the_later_ones_out() -> None:
    more = [BEFORE, *(hook("before_again", FIRST + 100 * n, copy=n) for n in range(1, 5)), failed()]
    assert starts(*more) == [FIRST, FIRST + 100, FIRST + 200]


def test_more_calls_than_tries_keep_the_latest() -> None:
    facts = [*NAMED, *ALL_CALLS, failed(cdr="u3", try_count=2)]
    assert calls(*facts) == ["u2", "u3"]


def test_calls_that_call_history_does_not_have_tell_nothing() -> None:
    absent = called("u1", START + 600, found=False, init_at=FIRST)
    (attempt,) = made(BEFORE, *NAMED[:1], absent)
    assert (attempt.call, attempt.started_at, attempt.a_answered) == (None, FIRST, None)


@pytest.mark.parametrize(
    ("legs", "a", "b", "reason", "failed_leg"),
    [
        ([leg(A, SILENT)], False, None, "no_answer", "a"),
        ([leg(A, ANSWERED), leg(B, BUSY)], True, False, "busy", "b"),
        ([leg(B, BUSY), leg(A, ANSWERED)], True, False, "busy", "b"),
        ([leg(A, ANSWERED), leg(B, ANSWERED)], True, True, "failed", "unknown"),
        ([leg(A, BUSY), leg(A, ANSWERED), leg(B, SILENT)], True, False, "no_answer", "b"),
        ([leg(A, ANSWERED), leg(B, SILENT), leg(B, ANSWERED)], True, True, "failed", "unknown"),
        ([leg("305", BUSY), leg(B, SILENT)], False, False, "busy", "a"),
        ([], None, None, "failed", "unknown"),
    ],
)
def test_the_legs_are_those_of_the_record(
    legs: list[dict[str, Any]], a: bool | None, b: bool | None, reason: str, failed_leg: str
) -> None:
    (attempt,) = made(failed(cdr="u1", try_count=1), record("u1", FIRST, *legs))
    assert (attempt.a_answered, attempt.b_answered) == (a, b)
    assert attempt.bridged == (None if a is None else False)
    assert attempt.verdict
    assert (attempt.verdict.result, attempt.verdict.failed_leg) == (reason, failed_leg)


def test_talk_and_whole_of_a_call_are_those_of_the_record() -> None:
    first, second = made(
        finished("success", START + 900, cdr="u2"), *NAMED, record("u1", FIRST), talked("u2", SECOND)
    )
    assert (first.talk_s, first.total_s, second.talk_s, second.total_s) == (None, 20.0, 5.0, 20.0)
    assert (first.connected, second.connected, second.gap_s) == (False, True, 100.0)


def test_a_success_with_a_record_that_is_not_bridged_is_one_all_the_same() -> None:
    facts = [finished("success", START + 900, cdr="u1", try_count=1, a_number=A)]
    (attempt,) = made(*facts, record("u1", FIRST, leg(A, SILENT)))
    assert (attempt.connected, attempt.bridged, attempt.a_answered) == (True, False, False)
    assert attempt.verdict
    assert (attempt.verdict.result, attempt.verdict.failed_leg) == ("connected", None)


def test_a_failed_task_with_a_bridged_record_has_failed_all_the_same() -> None:
    first, second = made(
        failed(cdr="u2", try_count=2), *NAMED, talked("u1", FIRST), record("u2", SECOND, leg(A, SILENT))
    )
    assert (first.connected, first.bridged, first.verdict and first.verdict.result) == (False, True, "failed")
    assert (second.connected, second.bridged) == (False, False)


def test_the_last_attempt_has_the_reason_that_the_task_was_given() -> None:
    first, last = made(BEFORE, AGAIN, failed(try_count=2, finish_comment="B number: busy"))
    assert (first.verdict and first.verdict.result, last.verdict and last.verdict.result) == (
        "unknown",
        "busy",
    )
    (only,) = made(failed(try_count=1))
    assert only.verdict
    assert (only.verdict.result, only.verdict.raw, only.verdict.failed_leg) == ("unknown", None, "unknown")


def test_of_a_task_that_is_gone_nobody_knows_how_its_last_attempt_ended() -> None:
    first, last = made(BEFORE, AGAIN, gone(START + 900))
    assert (first.connected, last.connected) == (False, None)
    assert last.verdict
    assert last.verdict.result == "unknown"
    connected = made(BEFORE, hook("success", FIRST + 20), gone(START + 900))
    assert [attempt.connected for attempt in connected] == [True]


@given(facts_of_one_task(), st.data())
def test_order_and_repetition_of_the_facts_change_no_attempt(facts: list[Fact], data: st.DataObject) -> None:
    copies = data.draw(st.lists(st.sampled_from(facts), max_size=5))
    assert fold(data.draw(st.permutations([*facts, *copies]))).attempts == fold(facts).attempts


@given(facts_of_one_task())
def test_attempts_are_as_many_as_are_proven_and_fit_together(facts: list[Fact]) -> None:
    timeline = fold(facts)
    attempts = timeline.attempts
    assert [attempt.number for attempt in attempts] == list(range(1, timeline.attempt_bounds.low + 1))
    known = [attempt.started_at for attempt in attempts if attempt.started_at is not None]
    assert known == sorted(known)
    named = [attempt.call for attempt in attempts if attempt.call]
    assert len(named) == len(set(named))
    assert set(named) <= {call.call for call in timeline.calls if call.found}
    for one, other in pairwise(attempts):
        is_known = one.started_at is not None and other.started_at is not None
        assert (other.gap_s is not None) == is_known
        assert other.gap_s is None or other.gap_s >= 0
        assert one.connected is False
    for attempt in attempts:
        assert (attempt.a_answered is None) == (attempt.bridged is None)
        assert not attempt.bridged or (attempt.a_answered and attempt.b_answered)
        assert (
            attempt.call
            or (attempt.a_answered, attempt.b_answered, attempt.talk_s, attempt.total_s) == (None,) * 4
        )
        assert attempt.verdict or (attempt is attempts[-1] and attempt.connected is None)
        assert not attempt.connected or (attempt.verdict and attempt.verdict.result == "connected")
    if attempts and timeline.finish_result:
        assert attempts[-1].connected == (timeline.finish_result == "success")


@dataclass(frozen=True)
class Truth:
    """What happened: when each attempt began and ended, and when its announcement arrived, if it did."""

    pause: float
    spans: list[tuple[float, float]]
    arrivals: list[float | None]
    known: list[bool]

    def facts(self) -> list[Fact]:
        """What is heard of it in the end; of the calls, the records of those that are `known`."""
        events = ["before", *["before_again"] * (len(self.spans) - 1)]
        hooks = [
            hook(event, at, copy=number)  # type: ignore[arg-type]
            for number, (event, at) in enumerate(zip(events, self.arrivals, strict=True))
            if at is not None
        ]
        records = [
            called(f"u{number}", 9e6, init_at=begin, hangup_at=end, duration=end - begin, result="failed")
            for number, (begin, end) in enumerate(self.spans, start=1)
            if self.known[number - 1]
        ]
        last = len(self.spans)
        plan: dict[str, Any] = {"try_count": last, "pause": self.pause, "cdr": f"u{last}"}
        named = [
            seen("executed", begin, **(plan | {"cdr": f"u{n}"})) for n, (begin, _) in enumerate(self.spans, 1)
        ]
        return [*hooks, *named, finished("failed", 8e6, **plan), *records]


@st.composite
def truths(draw: st.DrawFn, *, loses: bool) -> Truth:
    """Up to five attempts. Announcements take up to half of what is taken for near; `loses`: or are lost."""
    pause = draw(st.sampled_from([30.0, 60.0, 300.0]))
    held_up = st.floats(0, max(30.0, pause / 2) / 2)
    spans, at = [], START + draw(st.floats(0, 5))
    for _ in range(draw(st.integers(1, 5))):
        spans.append((at, at + draw(st.floats(5, 40))))
        at = spans[-1][1] + pause + draw(st.floats(0, 10))
    arrivals = [begin + draw(held_up) if not loses or draw(st.booleans()) else None for begin, _ in spans]
    known = [draw(st.booleans()) for _ in spans]
    return Truth(pause, spans, arrivals, known)


@given(truths(loses=False))
def test_where_no_announcement_is_lost_every_call_is_found_its_attempt(truth: Truth) -> None:
    attempts = made(*truth.facts())
    assert [attempt.call for attempt in attempts] == [
        f"u{number}" if known else None for number, known in enumerate(truth.known, start=1)
    ]
    for attempt, (begin, _), arrival in zip(attempts, truth.spans, truth.arrivals, strict=True):
        assert attempt.started_at == (begin if attempt.call else arrival)


@given(truths(loses=True))
def test_where_all_calls_are_known_lost_announcements_change_nothing(truth: Truth) -> None:
    attempts = made(*Truth(truth.pause, truth.spans, truth.arrivals, [True] * len(truth.spans)).facts())
    assert [attempt.started_at for attempt in attempts] == [begin for begin, _ in truth.spans]
    assert [attempt.call for attempt in attempts] == [f"u{n}" for n in range(1, len(truth.spans) + 1)]


@given(truths(loses=True))
def test_whatever_is_lost_the_last_call_is_of_the_last_attempt_and_calls_stay_in_order(truth: Truth) -> None:
    known = [*truth.known[:-1], True]
    attempts = made(*Truth(truth.pause, truth.spans, truth.arrivals, known).facts())
    assert attempts[-1].call == f"u{len(truth.spans)}"
    assert [attempt.call for attempt in attempts if attempt.call] == [
        f"u{n}" for n, is_so in enumerate(known, 1) if is_so
    ]
    assert len(attempts) == len(truth.spans)
