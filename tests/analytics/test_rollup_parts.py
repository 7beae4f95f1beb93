"""What one task adds to the sums."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.analytics.rollup_parts import (
    ATTEMPT_COUNTS,
    COUNTS,
    GAPS,
    TASK_COUNTS,
    Counts,
    gap_class,
    parts,
    plain_word,
    sum_of,
    two_digits,
)
from receiver.domain.facts import EVENTS, Fact
from receiver.domain.fold import fold
from receiver.domain.reasons import CALL_RESULTS
from receiver.domain.task_rows import attempt_rows, task_row
from tests.domain.strategies import facts_of_one_task
from tests.factories import START, called, finished, gone, hook, seen, settled

A, B = "+79990000001", "+79990000002"
ANSWERED = {"dest_number": A, "result": "answered"}

Added = dict[tuple[str, float], dict[tuple[str, str], Counts]]


def added(*facts: Fact) -> Added:
    """(basis, at) → (slice, value) → the counts that are not zero."""
    timeline = fold(facts)
    found: Added = {}
    for basis, at, filed in parts(task_row(timeline), attempt_rows(timeline)):
        there = found.setdefault((basis, at), {})
        for place, counts in filed.items():
            there[place] = sum_of(there.get(place, {}), {name: n for name, n in counts.items() if n})
    return found


def test_a_task_that_waits_is_one_that_is_open() -> None:
    task = {("all", ""): {"tasks": 1, "open": 1}, ("attempt", "0/"): {"tasks": 1, "open": 1}}
    assert added(seen("scheduled", START + 5, created_at=START - 60)) == {
        ("created", START - 60): task,
        ("planned", START): task,
    }


def test_a_task_without_a_plan_is_counted_by_its_creation() -> None:
    found = added(seen("scheduled", START + 5, created_at=START - 60, start_at=None))
    assert found["planned", START - 60] == found["created", START - 60]


def test_a_task_that_only_hooks_know_was_made_when_it_was_first_heard_of() -> None:
    attempt = {"attempts": 1, "under_way": 1}
    task = {
        ("all", ""): {"tasks": 1, "open": 1, "arrived": 1} | attempt,
        ("attempt", "1/"): {"tasks": 1, "open": 1} | attempt,
    }
    assert added(hook("before", START + 3)) == {
        ("created", START + 3): task,
        ("planned", START + 3): task,
        ("started", START + 3): {("all", ""): attempt, ("attempt", "1/"): attempt},
    }


def a_success() -> list[Fact]:
    """Made a minute before its start; the second attempt, 100 s after the first, led to 30.5 s of talk."""
    plan: dict[str, Any] = {"created_at": START - 60, "a_number": A, "extension_id": "70"}
    legs = (ANSWERED, {"dest_number": B, "result": "busy", "hangup_cause": "USER_BUSY"})
    first = called("u1", START + 200, result="busy", init_at=START + 3, duration=9.0, legs=legs)
    second = called(
        "u2",
        START + 200,
        result="bridged",
        init_at=START + 103,
        bridged_at=START + 118,
        bridged_duration=30.5,
    )
    hooks = [hook("before", START + 2), hook("before", START + 4), hook("success", START + 119)]
    end = finished("success", START + 190, cdr="u2", **plan)
    return [*hooks, seen("executed", START + 9, cdr="u1", **plan), end, first, second, settled(START + 900)]


def test_a_success_at_its_second_attempt() -> None:
    own = {"tasks": 1, "succeeded": 1}
    health = {"settled": 1, "expected": 4, "lost": 2, "arrived": 2, "duplicates": 1}
    one = {"attempts": 1, "legs_known": 1, "a_answered": 1, "seizures": 2, "answers": 1}
    two = one | {"connected": 1, "bridged": 1, "answers": 2, "talks": 1, "talk_ms": 30_500}
    both = sum_of(one, two)
    task = {
        ("all", ""): own | health | both,
        ("attempt", "2/"): own,
        ("attempt", "1/"): one,
        ("attempt", "2/60"): two,
        ("reason", "connected/"): own | two,
        ("reason", "busy/b"): one,
        ("extension", "70"): own | both,
        ("connect", "120"): {"tasks": 1},
        ("lateness", "3"): {"tasks": 1},
    }
    assert added(*a_success()) == {
        ("created", START - 60): task,
        ("planned", START): task,
        ("finished", START + 190): task,
        ("started", START + 3): {
            ("all", ""): one,
            ("attempt", "1/"): one,
            ("reason", "busy/b"): one,
            ("extension", "70"): one,
        },
        ("started", START + 103): {
            ("all", ""): two,
            ("attempt", "2/60"): two,
            ("reason", "connected/"): two,
            ("extension", "70"): two,
        },
    }


@pytest.mark.parametrize(
    ("facts", "own", "reason", "word"),
    [
        ([finished("failed", 2_000)], {"failed": 1, "exhausted": 1}, "failed/unknown", "failed/failed"),
        (
            [finished("failed", 2_000, finish_comment="A number: no answer")],
            {"failed": 1, "exhausted": 1},
            "no_answer/unknown",
            "no_answer/A number: no answer",
        ),
        (
            [finished("failed", 2_000, try_count=None, finish_comment="Ошибка 17 на +7 999 000-00-01")],
            {"failed": 1},
            "failed/unknown",
            "failed/Ошибка # на +# # #-#-#",
        ),
        ([hook("after", 2_000)], {"unknown": 1}, "unknown/unknown", "unknown/"),
        ([hook("before", 2_000), gone(2_001)], {"unknown": 1}, "unknown/unknown", "unknown/"),
        ([hook("success", 2_000), gone(2_001)], {"succeeded": 1}, "connected/", None),
        ([hook("success", 2_000)], {"open": 1}, None, None),
    ],
)
def test_how_a_task_ended(facts: list[Fact], own: Counts, reason: str | None, word: str | None) -> None:
    told = added(*facts)
    (created,) = [filed for (basis, _), filed in told.items() if basis == "created"]
    ends = {name: n for name, n in created["all", ""].items() if name in TASK_COUNTS[1:6]}
    assert ends == own
    reasons = {place[1] for place, counts in created.items() if place[0] == "reason" and "tasks" in counts}
    assert reasons == ({reason} if reason else set())
    assert {value for name, value in created if name == "word"} == ({word} if word else set())
    assert ("finished" in {basis for basis, _ in told}) == ("open" not in own)


def test_a_task_that_is_gone_ended_when_it_was_last_heard_of() -> None:
    told = added(hook("before", START + 3), gone(START + 500))
    assert ("finished", START + 500) in told
    assert ("finished", START + 40) in added(hook("after", START + 40), gone(START + 500))


def test_what_had_to_come_counts_once_late_hooks_are_waited_for_no_more() -> None:
    facts = [hook("before", START + 3), finished("failed", START + 500, try_count=1)]
    health = added(*facts)["created", START + 3]["all", ""]
    assert not {"settled", "expected", "lost"} & health.keys()
    late = [settled(START + 900), hook("after", START + 901)]
    health = added(*facts, *late)["created", START + 3]["all", ""]
    assert {name: health.get(name) for name in ("settled", "expected", "lost", "late", "arrived")} == {
        "settled": 1,
        "expected": 2,
        "lost": None,
        "late": 1,
        "arrived": 2,
    }


def test_drift_counts_the_task_however_much_there_is() -> None:
    after = hook("after", START + 3, result="success", call="x")
    facts = [after, finished("failed", START + 500, cdr="y")]
    row = task_row(fold(facts))
    assert row["drifts"] >= 2
    assert added(*facts)["created", START + 3]["all", ""]["drifted"] == 1


def test_a_row_of_an_older_version_adds_nothing() -> None:
    timeline = fold(a_success())
    assert list(parts(task_row(timeline) | {"created_at": None}, attempt_rows(timeline))) == []


def test_numbers_near_zero_have_one_name() -> None:
    assert two_digits(-0.0) == two_digits(0.0) == two_digits(round(-0.0001, 3)) == "0"
    early = [seen("executed", START + 1, start_at=START + 0.0002), hook("before", START)]
    assert ("lateness", "0") in added(*early)["created", START]


def test_values_are_short_enough_to_be_part_of_a_key() -> None:
    told = added(finished("failed", 2_000, extension_id="7" * 9_000, finish_comment="й" * 9_000))
    (created,) = [filed for (basis, _), filed in told.items() if basis == "created"]
    assert max(len(value) for _, value in created) <= 110


@pytest.mark.parametrize(
    ("word", "plain"),
    [
        (None, ""),
        ("  ", ""),
        (" SIP 486 ", "SIP #"),
        ("номер +79990000001", "номер +#"),
        ("٠١٢ and 7", "# and #"),
    ],
)
def test_words_are_counted_without_their_numbers(word: str | None, plain: str) -> None:
    assert plain_word(word) == plain


@pytest.mark.parametrize(
    ("gap", "name"),
    [
        (None, ""),
        (0.0, "0"),
        (-5.0, "0"),
        (29.999, "0"),
        (30.0, "30"),
        (59.9, "30"),
        (60, "60"),
        (3_599, "900"),
        (14_400.0, "14400"),
        (1e9, "14400"),
    ],
)
def test_classes_of_gaps_by_example(gap: float | None, name: str) -> None:
    assert gap_class(gap) == name


@given(st.floats(0, 1e6))
def test_a_gap_is_of_the_class_with_the_greatest_bound_that_it_reaches(gap: float) -> None:
    bounds = [0, *GAPS]
    assert gap_class(gap) == str([bound for bound in bounds if bound <= gap][-1])


NUMBERS = st.floats(-1e7, 1e7).map(lambda number: round(number, 3))


@given(st.lists(NUMBERS, min_size=1, max_size=50), st.data())
def test_a_quantile_of_rounded_numbers_is_the_quantile_rounded(
    numbers: list[float], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(numbers) - 1))
    rounded = sorted(float(two_digits(number)) for number in numbers)
    assert rounded[place] == float(two_digits(sorted(numbers)[place]))


@given(NUMBERS)
def test_two_digits_are_within_five_percent_and_stay_the_same(number: float) -> None:
    rounded = two_digits(number)
    assert abs(float(rounded) - number) <= 0.05 * abs(number)
    assert two_digits(float(rounded)) == rounded
    assert rounded == two_digits(float(f"{number:.17g}"))
    digits = rounded.lstrip("-").partition("e")[0].replace(".", "").strip("0")
    assert len(digits) <= 2


@given(facts_of_one_task())
def test_slices_add_up(facts: list[Fact]) -> None:
    """Whatever a task came to: each of its slices counts it, and its attempts, once."""
    timeline = fold(facts)
    row, attempts = task_row(timeline), attempt_rows(timeline)
    for basis, _, filed in parts(row, attempts):
        assert all(set(counts) <= set(COUNTS) for counts in filed.values())
        whole = filed["all", ""]
        names = ATTEMPT_COUNTS if basis == "started" else (*TASK_COUNTS[:6], *ATTEMPT_COUNTS)
        for name in names:
            assert _sum(filed, "attempt", name) == whole.get(name, 0)
        if basis == "started":
            continue
        assert whole["tasks"] == 1
        assert sum(whole.get(name, 0) for name in ("open", "succeeded", "failed", "unknown")) == 1
        assert whole.get("exhausted", 0) <= whole.get("failed", 0)
        assert whole.get("attempts", 0) == timeline.attempt_bounds.low
        assert whole.get("connected", 0) <= whole.get("succeeded", 0) + whole.get("open", 0)
        assert _sum(filed, "reason", "tasks") == ("open" not in whole)
        assert _sum(filed, "word", "tasks") == ("open" not in whole and "succeeded" not in whole)
        assert {value.partition("/")[0] for name, value in filed if name == "reason"} <= set(CALL_RESULTS)
        assert _sum(filed, "lateness", "tasks") == (row["lateness_s"] is not None)
        assert whole.get("arrived", 0) == sum(timeline.hooks.arrived.get(event, 0) for event in EVENTS)
    started = sum(
        filed["all", ""]["attempts"] for basis, _, filed in parts(row, attempts) if basis == "started"
    )
    assert started == sum(each.started_at is not None for each in timeline.attempts)


def _sum(filed: Any, selection: str, name: str) -> int:
    return sum(counts.get(name, 0) for (place, _), counts in filed.items() if place == selection)
