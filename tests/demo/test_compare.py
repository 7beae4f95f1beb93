"""The comparison with the truth: it agrees where it must, and every way of being wrong is told."""

from typing import Any

import pytest

from receiver.demo.compare import Disagreement, compare

ACCOUNTS = {"10001": "north", "10002": "south"}
CDR = "a3afe0b0-51cc-4260-9fa7-ea4d97c0a0e1"

Json = dict[str, Any]


def _truth(*hooks: tuple[str, str], **changes: Any) -> Json:
    """One task that succeeded at its second attempt, and its hooks as (event, fate)."""
    task = {
        "account": "10001",
        "task_id": 7,
        "state": "finished",
        "finish_result": "success",
        "cdr": CDR,
        "attempts": 2,
    }
    told = [{"account": "10001", "task_id": 7, "event": event, "fate": fate} for event, fate in hooks]
    return {"tasks": [task | changes], "hooks": told}


def _ours(**changes: Any) -> dict[tuple[str, str], Json]:
    """What the receiver says of that task if it is right about it."""
    row = {
        "state": "finished",
        "finish_result": "success",
        "cdr": CDR,
        "attempts": 2,
        "attempts_exact": True,
        "lost": {},
    }
    return {("north", "7"): row | changes}


def _wrong(truth: Json, ours: dict[tuple[str, str], Json]) -> list[tuple[str, Any, Any]]:
    """What is told of that task, as (field, truth, ours)."""
    found = compare(truth, ours, ACCOUNTS)
    assert (found.agree, found.disagree) == ((0, 1) if found.disagreements else (1, 0))
    assert {(each.account, each.task_id) for each in found.disagreements} <= {("north", "7")}
    return [(each.field, each.truth, each.ours) for each in found.disagreements]


def test_a_receiver_that_is_right_agrees() -> None:
    came = [
        ("before", "delivered"),
        ("before_again", "delivered"),
        ("success", "delivered"),
        ("after", "delivered"),
    ]
    assert _wrong(_truth(*came), _ours()) == []


@pytest.mark.parametrize("spelling", [CDR.upper(), CDR.replace("-", "")])
def test_a_call_is_the_same_however_it_is_spelt(spelling: str) -> None:
    assert _wrong(_truth(), _ours(cdr=spelling)) == []


@pytest.mark.parametrize(
    ("field", "truth", "ours"),
    [
        ("state", "finished", "executed"),
        ("finish_result", "success", "failed"),
        ("finish_result", "success", None),
        ("cdr", CDR.replace("-", ""), None),
        ("cdr", CDR.replace("-", ""), "0" * 32),
        ("attempts", 2, 1),
        ("attempts", 2, 3),
    ],
)
def test_a_wrong_value_is_told(field: str, truth: Any, ours: Any) -> None:
    assert _wrong(_truth(), _ours(**{field: ours})) == [(field, truth, ours)]


@pytest.mark.parametrize("result", ["", None])
def test_an_unknown_result_is_no_result(result: str | None) -> None:
    assert _wrong(_truth(finish_result=result, cdr=""), _ours(finish_result=None, cdr=None)) == []
    assert _wrong(_truth(finish_result=result), _ours()) == [("finish_result", None, "success")]


def test_a_lower_bound_of_attempts_is_wrong_only_above_the_truth() -> None:
    assert _wrong(_truth(), _ours(attempts=1, attempts_exact=False)) == []
    assert _wrong(_truth(), _ours(attempts=2, attempts_exact=False)) == []
    assert _wrong(_truth(), _ours(attempts=3, attempts_exact=False)) == [("attempts", 2, "at least 3")]


@pytest.mark.parametrize("event", ["before", "before_again", "success", "after"])
def test_of_each_event_just_the_dropped_hooks_are_lost(event: str) -> None:
    dropped = _truth((event, "dropped"), (event, "delivered"))
    assert _wrong(dropped, _ours(lost={event: 1})) == []
    assert _wrong(dropped, _ours()) == [(f"lost {event}", 1, 0)]
    assert _wrong(dropped, _ours(lost={event: 2})) == [(f"lost {event}", 1, 2)]
    assert _wrong(_truth((event, "delivered")), _ours(lost={event: 1})) == [(f"lost {event}", 0, 1)]


def test_a_hook_that_was_not_answered_may_have_come_or_not() -> None:
    truth = _truth(("after", "dropped"), ("after", "failed"))
    assert _wrong(truth, _ours(lost={"after": 1})) == []
    assert _wrong(truth, _ours(lost={"after": 2})) == []
    assert _wrong(truth, _ours()) == [("lost after", "1 to 2", 0)]
    assert _wrong(truth, _ours(lost={"after": 3})) == [("lost after", "1 to 2", 3)]


def test_before_again_need_not_be_missed_while_the_attempts_are_not_settled() -> None:
    truth = _truth(("before_again", "dropped"), ("before", "dropped"))
    assert _wrong(truth, _ours(attempts_exact=False, lost={"before": 1})) == []
    assert _wrong(truth, _ours(attempts_exact=False)) == [("lost before", 1, 0)]
    assert _wrong(truth, _ours(attempts_exact=False, lost={"before": 1, "before_again": 2})) == [
        ("lost before_again", 1, 2)
    ]


def test_a_task_that_is_gone_has_no_result_and_misses_nothing() -> None:
    gone = {"state": "gone", "finish_result": "", "cdr": "", "attempts": 0}
    ours = {"state": "gone", "finish_result": None, "cdr": None, "attempts": 0}
    truth = _truth(("before", "dropped"), **gone)
    assert _wrong(truth, _ours(**ours)) == []
    assert _wrong(truth, _ours(**ours, lost={"after": 1})) == [("lost after", 0, 1)]
    assert _wrong(truth, _ours(**ours | {"state": "scheduled"})) == [("state", "gone", "scheduled")]


def test_hooks_count_for_their_own_task_only() -> None:
    truth = _truth(("after", "dropped"))
    truth["tasks"].append(truth["tasks"][0] | {"account": "10002"})
    ours = _ours(lost={"after": 1}) | {("south", "7"): _ours()["north", "7"]}
    assert compare(truth, ours, ACCOUNTS).agree == 2


def test_a_task_that_is_not_known_and_one_that_does_not_exist_are_told() -> None:
    found = compare(_truth(), {("north", "#8"): _ours()["north", "7"]}, ACCOUNTS)
    assert found.disagreements == (
        Disagreement("north", "7", "task", "exists", "not known", "not known"),
        Disagreement("north", "#8", "task", "does not exist", "known"),
    )
    assert (found.agree, found.disagree) == (0, 2)


def test_a_task_that_is_wrong_twice_is_one_task() -> None:
    found = compare(_truth(), _ours(state="executed", attempts=1), ACCOUNTS)
    assert (found.agree, found.disagree, len(found.disagreements)) == (0, 1, 2)


def test_of_nothing_nothing_is_wrong() -> None:
    found = compare({"tasks": [], "hooks": []}, {}, ACCOUNTS)
    assert (found.agree, found.disagree) == (0, 0)
