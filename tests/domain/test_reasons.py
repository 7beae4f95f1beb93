"""How a call ended, concluded from what little is known."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.facts import CallRecord
from receiver.domain.numbers import e164, national, same_number
from receiver.domain.reasons import BUILT_IN, CALL_RESULTS, PATTERNS, CallResult, Reasons, judge, legs_of
from receiver.emulator.outcomes import ENGLISH, RUSSIAN

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
        ("USER_NOT_REGISTERED", "unavailable"),
        ("UNALLOCATED_NUMBER", "wrong_number"),
        ("INVALID_NUMBER_FORMAT", "wrong_number"),
        ("NO_USER_RESPONSE", "no_answer"),
        ("ALLOTTED_TIMEOUT", "no_answer"),
        ("originator-cancel", "cancelled"),
        ("CANCEL", "cancelled"),
        ("bridged", "connected"),
        ("answered", None),
        ("NORMAL_CLEARING", None),
        ("unanswered questions", None),
        ("отвечает", None),
        ("", None),
        (" \t", None),
    ],
)
def test_the_vendors_words(word: str, result: str | None) -> None:
    assert BUILT_IN.read(word) == result
    assert result is None or result in CALL_RESULTS


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("Номер B: абонент недоступен", "unavailable"),
        ("A number: no answer", "no_answer"),
        ("Абонент не отвечает, перезвоните позже", "no_answer"),
        ("клиент не взял трубку", "no_answer"),
        ("Абонент НЕ БЕРЁТ трубку", "no_answer"),
        ("Вызов остался без ответа.", "no_answer"),
        ("Линия занята", "busy"),
        ("номер +7 999 000-00-01: занято", "busy"),
        ("Клиент сбросил звонок", "rejected"),
        ("the call was declined by the callee", "rejected"),
        ("Задача отменена оператором", "cancelled"),
        ("неверный номер", "wrong_number"),
        ("Набранный номер не существует", "wrong_number"),
        ("телефон вне зоны действия сети", "unavailable"),
        ("the subscriber is unavailable", "unavailable"),
        ("Недоступен: номер не обслуживается", "wrong_number"),
        ("network error 17", None),
        ("незанятые операторы", None),
    ],
)
def test_free_text_in_two_languages(text: str, result: str | None) -> None:
    assert BUILT_IN.read(text) == result
    assert BUILT_IN.read(f"  {text.upper()} !") == result
    verdict = judge("failed", text, None, A)
    assert (verdict.result, verdict.raw) == (result or "failed", text)


@pytest.mark.parametrize("leg_name", ["A", "B"])
@pytest.mark.parametrize("result", sorted(ENGLISH))
def test_the_comments_of_a_scheduler_are_read(result: str, leg_name: str) -> None:
    assert BUILT_IN.read(f"{leg_name} number: {ENGLISH[result]}") == result
    assert BUILT_IN.read(f"Номер {leg_name}: {RUSSIAN[result]}") == result


def test_own_patterns_come_before_those_that_are_built_in() -> None:
    own: dict[CallResult, tuple[str, ...]] = {
        "rejected": (r"Автоответчик|чёрный список", "^busy$"),
        "no_answer": (r"автоответчик \d+", r"(?i)voice ?MAIL"),
    }
    reasons = Reasons(own)
    assert reasons.read("АВТООТВЕТЧИК 5") == "rejected", "the first that is found counts"
    assert reasons.read("номер в черном списке") is None
    assert reasons.read("Черный список") == reasons.read("чЁрный_список") == "rejected"
    assert (reasons.read("BUSY"), reasons.read("line busy")) == ("rejected", "busy")
    assert reasons.read("went to Voice-Mail") == "no_answer"
    assert reasons.read("нет ответа") == "no_answer"
    assert BUILT_IN.read("автоответчик") is None


def test_own_patterns_do_not_touch_each_other() -> None:
    """Each may have groups and flags, as if it were alone."""
    reasons = Reasons({"busy": (r"(?P<n>a)(?P=n)", r"(?P<n>b)(?P=n)", "(?s)c.d"), "failed": ()})
    assert [reasons.read(word) for word in ("aa", "bb", "c d", "ab")] == ["busy", "busy", "busy", None]
    with pytest.raises(re.error):
        Reasons({"busy": ("(",)})


def test_own_patterns_decide_what_a_task_came_to() -> None:
    call = CallRecord("c1", result="failed", legs=(leg(A, "answered"), leg(B, "failed", "Q.850;cause=17")))
    assert judge("failed", None, call, A).result == "failed"
    verdict = judge("failed", None, call, A, Reasons({"busy": (r"\bcause 17\b",)}))
    assert (verdict.result, verdict.raw, verdict.failed_leg) == ("busy", "Q.850;cause=17", "b")


def test_what_fits_no_pattern_stays_as_it_was_said() -> None:
    assert judge("failed", " Что-то\tне так! ", None, A).raw == " Что-то\tне так! "
    on_b = CallRecord("c1", result="odd", legs=(leg(A, "answered"), leg(B, "strange", "CAUSE_99")))
    assert judge("failed", None, on_b, A).raw == "CAUSE_99"
    assert judge("failed", "the API said so", on_b, A).raw == "the API said so"
    assert judge("failed", None, None, A).raw == "failed"


@given(st.text(max_size=3).filter(lambda text: not any(map(str.isalnum, text))))
def test_marks_around_and_between_words_say_nothing(marks: str) -> None:
    assert BUILT_IN.read(f"{marks}USER{marks}BUSY{marks}") == "busy"
    assert BUILT_IN.read(f"{marks}Не {marks}отвечает{marks}") == "no_answer"


def test_every_result_that_words_tell_is_one_of_a_call() -> None:
    assert set(PATTERNS) <= set(CALL_RESULTS)
    assert set(CALL_RESULTS) - set(PATTERNS) == {"failed", "unknown"}


def test_a_success_is_connected_whatever_else_is_said() -> None:
    call = CallRecord("c1", result="busy", legs=(leg(A, "busy"),))
    assert judge("success", "busy", call, A) == judge("success", "busy", None, A)
    assert judge("success", None, call, A).result == "connected"
    assert judge("success", None, call, A).failed_leg is None


def test_without_a_result_nothing_is_known() -> None:
    verdict = judge(None, None, None, A)
    assert (verdict.result, verdict.failed_leg) == ("unknown", "unknown")
    assert judge(None, "call me back", None, A).result == "unknown"


def test_the_leg_that_failed_decides() -> None:
    on_a = CallRecord("c1", result="not answered", legs=(leg(A, "not answered", "NO_ANSWER"),))
    on_b = CallRecord(
        "c1", result="busy", legs=(leg(A, "answered"), leg("+7 999 000-00-02", "busy", "USER_BUSY"))
    )
    assert (judge("failed", None, on_a, A).result, judge("failed", None, on_a, A).failed_leg) == (
        "no_answer",
        "a",
    )
    assert (judge("failed", None, on_b, A).result, judge("failed", None, on_b, A).failed_leg) == ("busy", "b")


def test_the_cause_tells_more_than_the_result() -> None:
    call = CallRecord(
        "c1", result="failed", legs=(leg(A, "answered"), leg(B, "failed", "UNALLOCATED_NUMBER"))
    )
    verdict = judge("failed", "error", call, A)
    assert (verdict.result, verdict.raw, verdict.failed_leg) == ("wrong_number", "UNALLOCATED_NUMBER", "b")


def test_without_call_history_the_comment_decides_and_the_leg_is_unknown() -> None:
    verdict = judge("failed", "Занято", None, A)
    assert (verdict.result, verdict.raw, verdict.failed_leg) == ("busy", "Занято", "unknown")
    verdict = judge("failed", "что-то не так", None, A)
    assert (verdict.result, verdict.raw, verdict.failed_leg) == ("failed", "что-то не так", "unknown")


def test_a_bridged_call_makes_no_success_of_a_task_that_failed() -> None:
    call = CallRecord("c1", result="bridged", legs=(leg(A, "answered"), leg(B, "answered")))
    assert judge("failed", None, call, A).result == "failed"


@pytest.mark.parametrize(
    ("number", "whole"),
    [
        ("+7 (999) 000-00-01", "+79990000001"),
        ("89990000001", "+79990000001"),
        ("9990000001", "+79990000001"),
        ("+4915112345678", "+4915112345678"),
        ("004915112345678", "+4915112345678"),
        ("00 49 (151) 12345678", "+4915112345678"),
        ("0079990000001", "+79990000001"),
        ("810 49 151 12345678", "+4915112345678"),
        ("305", None),
        ("00", None),
        ("00305", None),
        ("", None),
        (None, None),
        ("anonymous", None),
    ],
)
def test_numbers_of_the_whole_world(number: str | None, whole: str | None) -> None:
    assert e164(number) == whole


def test_numbers_without_the_code_of_a_country_are_of_the_accounts_country() -> None:
    assert e164("0151 12345678", "DE") == "+4915112345678"
    assert e164("0044 20 7946 0958", "DE") == e164("020 7946 0958", "GB") == "+442079460958"
    assert e164("011 44 20 7946 0958", "US") == "+442079460958"
    assert national("+4915112345678") == "15112345678"
    assert national("305") is None
    assert same_number("0151 12345678", "+4915112345678", "DE")
    assert not same_number("0151 12345678", "+4915112345678")


def test_the_leg_of_a_is_known_by_its_number_as_its_country_writes_it() -> None:
    call = CallRecord("c1", legs=(leg("0301234567", "answered"), leg("01701234567", "busy")))
    assert legs_of(call, "+49 170 1234567", "DE").a is False
    assert judge("failed", None, call, "+49 170 1234567", Reasons(region="DE")).failed_leg == "a"


def test_numbers_are_the_same_however_written() -> None:
    assert same_number("89990000001", "+7 999 000 00 01")
    assert same_number("305", " 305 ")
    assert not same_number("305", "306")
    assert not same_number(None, None)
