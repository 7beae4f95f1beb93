"""How a call ended, concluded from what little is known."""

import pytest

from receiver.domain.facts import CallSaid
from receiver.domain.numbers import e164, same_number
from receiver.domain.results import CALL_RESULTS, judge, read_result

A, B = "+79990000001", "89990000002"


def leg(number: str, result: str, cause: str = "") -> dict[str, str]:
    return {"dest_number": number, "result": result, "hangup_cause": cause}


@pytest.mark.parametrize(
    ("word", "result"),
    [
        ("NOANSWER", "no_answer"),
        ("not answered", "no_answer"),
        ("Нет ответа", "no_answer"),
        ("USER_BUSY", "busy"),
        ("занято", "busy"),
        ("callee_refuse", "rejected"),
        ("CALL_REJECTED", "rejected"),
        ("caller_cancel", "cancelled"),
        ("Отменён", "cancelled"),
        ("CHANUNAVAIL", "unavailable"),
        ("SUBSCRIBER_ABSENT", "unavailable"),
        ("UNALLOCATED_NUMBER", "wrong_number"),
        ("bridged", "connected"),
        ("answered", None),
        ("NORMAL_CLEARING", None),
        ("", None),
    ],
)
def test_the_vendors_words(word: str, result: str | None) -> None:
    assert read_result(word) == result
    assert result is None or result in CALL_RESULTS


def test_a_success_is_connected_whatever_else_is_said() -> None:
    call = CallSaid("c1", result="busy", legs=(leg(A, "busy"),))
    assert judge("success", "busy", call, A) == judge("success", "busy", None, A)
    assert judge("success", None, call, A).result == "connected"
    assert judge("success", None, call, A).failed_leg is None


def test_without_a_result_nothing_is_known() -> None:
    verdict = judge(None, None, None, A)
    assert (verdict.result, verdict.failed_leg) == ("unknown", "unknown")
    assert judge(None, "call me back", None, A).result == "unknown"


def test_the_leg_that_failed_decides() -> None:
    on_a = CallSaid("c1", result="not answered", legs=(leg(A, "not answered", "NO_ANSWER"),))
    on_b = CallSaid(
        "c1", result="busy", legs=(leg(A, "answered"), leg("+7 999 000-00-02", "busy", "USER_BUSY"))
    )
    assert (judge("failed", None, on_a, A).result, judge("failed", None, on_a, A).failed_leg) == (
        "no_answer",
        "a",
    )
    assert (judge("failed", None, on_b, A).result, judge("failed", None, on_b, A).failed_leg) == ("busy", "b")


def test_the_cause_tells_more_than_the_result() -> None:
    call = CallSaid("c1", result="failed", legs=(leg(A, "answered"), leg(B, "failed", "UNALLOCATED_NUMBER")))
    verdict = judge("failed", "error", call, A)
    assert (verdict.result, verdict.raw, verdict.failed_leg) == ("wrong_number", "UNALLOCATED_NUMBER", "b")


def test_without_call_history_the_comment_decides_and_the_leg_is_unknown() -> None:
    verdict = judge("failed", "Занято", None, A)
    assert (verdict.result, verdict.raw, verdict.failed_leg) == ("busy", "Занято", "unknown")
    verdict = judge("failed", "что-то не так", None, A)
    assert (verdict.result, verdict.raw, verdict.failed_leg) == ("failed", "что-то не так", "unknown")


def test_a_bridged_call_makes_no_success_of_a_task_that_failed() -> None:
    call = CallSaid("c1", result="bridged", legs=(leg(A, "answered"), leg(B, "answered")))
    assert judge("failed", None, call, A).result == "failed"


@pytest.mark.parametrize(
    ("number", "whole"),
    [
        ("+7 (999) 000-00-01", "+79990000001"),
        ("89990000001", "+79990000001"),
        ("9990000001", "+79990000001"),
        ("+4915112345678", "+4915112345678"),
        ("305", None),
        ("", None),
        (None, None),
        ("anonymous", None),
    ],
)
def test_numbers_of_the_whole_world(number: str | None, whole: str | None) -> None:
    assert e164(number) == whole


def test_numbers_are_the_same_however_written() -> None:
    assert same_number("89990000001", "+7 999 000 00 01")
    assert same_number("305", " 305 ")
    assert not same_number("305", "306")
    assert not same_number(None, None)
