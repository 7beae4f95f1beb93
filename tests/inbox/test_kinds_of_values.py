"""Values that senders of webhooks are known to send, each a kind with its siblings."""

import json
from urllib.parse import quote

import pytest

from receiver.domain.facts import HookEvent
from tests.inbox.kinds import MEANT, arrive, meaning, said

CALL = "0b6f3a52-7c1e-4a7b-9d52-1f0e6a8c2b11"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("77.0", "77"),
        ("7.7e1", "77"),
        ("7.7E+1", "77"),
        ("77.000000", "77"),
        ("+77", "77"),
        ("1.234567e+06", "1234567"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("18446744073709551616", "18446744073709551616"),
        ("9007199254740993.0", "9007199254740993"),
        ("77.5", "77.5"),
        ("007", "007"),
    ],
)
def test_numbers(written: str, read: str) -> None:
    assert said(arrive(f"id={quote(written)}".encode())).task_id == read
    assert said(arrive(json.dumps({"id": written}).encode())).task_id == read
    if written[0] not in "+0":
        assert said(arrive(f'{{"id": {written}}}'.encode())).task_id == read


def test_a_number_that_has_lost_digits_is_no_id() -> None:
    arrival = arrive(b'{"id": 1.2345678901234567e+18, "result": "failed"}')
    assert (arrival.fact, arrival.delivery.problem) == (None, "task_id is a rounded number")


NOTHING = [
    *("null", "NULL", "undefined", "None", "nil", "NaN", "[object Object]", "n/a", "-", "0", "%00"[:0]),
    *("{task_id}", "%TaskID%", "${task_id}", "{{x}}", "{{ task.id }}", "#{id}", "<task_id>", "[task_id]"),
    *("$task_id", ":task_id", "__TASK_ID__", "<%= task.id %>", "%call_id%", "%cdr%", "%date%"),
    *("358-", "358_", "358:", "00000000-0000-0000-0000-000000000000", '""', "'null'", "{}", "[]"),
]


@pytest.mark.parametrize("word", NOTHING)
def test_words_that_mean_nothing_make_no_task(word: str) -> None:
    for body in (f"id={word}", f"id={quote(word)}", json.dumps({"id": word})):
        arrival = arrive(body.encode())
        assert (arrival.fact, arrival.delivery.problem) == (None, "names no task")
    found = said(
        arrive(f"id={word}&scheduler_id={word}&call_uuid={word}&EventTime={word}".encode(), ref="r1")
    )
    assert found == HookEvent("after")


@pytest.mark.parametrize(
    "word", ["null", "undefined", "None", "[object Object]", "{finish_result}", "%result%"]
)
def test_words_that_mean_nothing_are_no_result_and_no_comment(word: str) -> None:
    body = json.dumps({"result": word, "finish_comment": word.replace("result", "comment")}).encode()
    assert said(arrive(body, ref="r1")) == HookEvent("after")


def test_words_that_mean_nothing_give_way_to_a_value_under_another_name() -> None:
    assert said(arrive(b"task_id={task_id}&id=77&CallID=undefined&cdr=c1")).task_id == "77"
    assert said(arrive(b"task_id={task_id}&id=77&cdr=undefined&CallID=c1")).call == "c1"


def test_placeholders_that_stand_bare_in_json_take_nothing_along() -> None:
    arrival = arrive(b'{"id": 77, "call_id": {call_id}, "result": "failed"}')
    assert meaning(arrival) == ("77", "failed", "broken JSON")


@pytest.mark.parametrize(
    "comment", ["{timeout}", "{", "{x} and {y}", "{" + CALL + "}", "[1, 2", "[A] no answer", "}{", "{'a': 1}"]
)
def test_a_brace_that_is_no_json_is_a_comment(comment: str) -> None:
    for body in (
        f"id=77&result=failed&finish_comment={quote(comment)}",
        json.dumps({"id": 77, "result": "failed", "finish_comment": comment}),
    ):
        arrival = arrive(body.encode())
        assert (*meaning(arrival), said(arrival).comment) == (*MEANT, comment)


@pytest.mark.parametrize("guid", [f"{{{CALL}}}", f"{{{CALL.upper()}}}", f'"{CALL}"', f"({CALL})"])
def test_a_guid_in_braces_is_the_guid(guid: str) -> None:
    arrival = arrive(f"id=77&result=failed&CallID={quote(guid)}".encode())
    assert meaning(arrival) == MEANT
    assert (said(arrival).call or "").lower() == CALL


MOMENT = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("20231114221320", MOMENT),
        ("20231114221320500", MOMENT + 0.5),
        ("202311142213", MOMENT - 20),
        ("1700000000000000000", MOMENT),
        ("1700000000000000", MOMENT),
        ("2023-11-15T01:13:20 03:00", MOMENT),
        ("2023-11-15 01:13:20 0300", MOMENT),
        ("2023-11-15T01:13:20+03:00", MOMENT),
        ("0001-01-01T00:00:00", None),
        ("0001-01-01 00:00:00+14:00", None),
        ("1970-01-01 00:00:00", None),
        ("9999-12-31T23:59:59", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("0000-00-00 00:00:00", None),
        ("19700101000000", None),
        ("00010101000000", None),
        ("soon", None),
    ],
)
def test_moments(text: str, at: float | None) -> None:
    assert said(arrive(f"id=7&EventTime={quote(text)}".encode())).sent_at == at
    assert said(arrive(json.dumps({"id": 7, "EventTime": text}).encode())).sent_at == at


@pytest.mark.parametrize("field", ["task_id", "scheduler_id", "call_uuid", "a_number"])
@pytest.mark.parametrize(
    ("value", "fault"), [("x" * 129, "is longer than 128 characters"), ("7\n8", "has a line end in it")]
)
def test_a_value_that_no_index_takes_is_no_value_and_is_noted(field: str, value: str, fault: str) -> None:
    arrival = arrive(json.dumps({field: value, "result": "failed"}).encode(), ref="r1")
    ours = {"scheduler_id": "queue_id", "call_uuid": "call"}.get(field, field)
    assert said(arrival) == HookEvent("after", result="failed", readable=False)
    assert arrival.delivery.problem == f"{ours} {fault}"


def test_an_id_of_128_characters_is_one() -> None:
    assert said(arrive(b"id=" + b"x" * 128)).task_id == "x" * 128


RAW = "id=77&result=failed&finish_comment=нет ответа"


def test_numbers_attempt_and_planned_time_are_read() -> None:
    body = (
        b'{"a_number": "+7 999", "b_number": 305, "try_number": 2, "start_time_utc": "2023-11-14 22:13:20"}'
    )
    assert said(arrive(body, ref="r1")) == HookEvent(
        "after", a_number="+7 999", b_number="305", attempt=2, planned_at=MOMENT
    )


@pytest.mark.parametrize(
    "query",
    [
        "id=77&result=failed&comment=нет ответа".encode(),
        "id=77&result=failed&comment=нет ответа".encode("cp1251"),
    ],
)
def test_raw_bytes_in_the_query(query: bytes) -> None:
    assert meaning(arrive(query=query)) == MEANT
