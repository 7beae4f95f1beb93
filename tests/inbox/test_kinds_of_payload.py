"""What senders of webhooks are known to do, each a kind with its siblings: what comes of it in the ledger."""

import gzip
import json
import zlib
from urllib.parse import quote

import pytest

from receiver.domain.facts import HookSaid
from receiver.domain.fields import FieldReader
from receiver.inbox.reading import read_hook
from receiver.ledger.arrivals import Arrival
from tests.factories import ACCOUNT
from tests.inbox.inbox_env import raw_hook

READER = FieldReader()
CALL = "0b6f3a52-7c1e-4a7b-9d52-1f0e6a8c2b11"
JSON = b'{"id": 77, "finish_result": "failed"}'
MEANT = ("77", "failed", None)


def arrive(
    body: bytes = b"",
    query: bytes = b"",
    headers: dict[bytes, bytes] | None = None,
    ref: str | None = None,
    event: str = "after",
) -> Arrival:
    """A hook as it is read; by default at the fixed URL, where only its payload names the task."""
    given = {"query": query, "headers": tuple((headers or {}).items()), "event": event}
    return read_hook(raw_hook(1, ref, body=body, **given), READER)


def said(arrival: Arrival) -> HookSaid:
    assert arrival.fact is not None, arrival.delivery.problem
    assert isinstance(arrival.fact.said, HookSaid)
    return arrival.fact.said


def meaning(arrival: Arrival) -> tuple[str | None, str | None, str | None]:
    """(task id, result, problem)"""
    fact = said(arrival)
    return fact.task_id, fact.result, arrival.delivery.problem


@pytest.mark.parametrize(
    "body",
    [
        b"task[id]=77&task[finish_result]=failed",
        b"task%5Bid%5D=77&task%5Bfinish_result%5D=failed",
        b"task_id[]=77&result[]=failed",
        b"data[task][task_id]=77&data[task][result]=failed",
        b"task.id=77&task.result=failed",
        b'{"task[id]": 77, "task.result": "failed"}',
        b'{"0": {"id": 77, "result": "failed"}}',
        b'{"task_id": {"0": "77"}, "result": {"0": "failed"}}',
        b'{"client": {"id": 5}, "task": {"id": 77, "result": "failed"}}',
        b"client[id]=5&task[id]=77&task[result]=failed",
        b'{"call": {"id": "c-1"}, "task": {"id": 77}, "result": "failed"}',
    ],
)
def test_nested_names(body: bytes) -> None:
    assert meaning(arrive(body)) == MEANT


def test_nested_names_of_a_call_are_no_names_of_a_task() -> None:
    assert arrive(b'{"call": {"id": "c-1"}}').fact is None
    assert said(arrive(b'{"call": {"id": "c-1"}}', ref="r1")).call == "c-1"


@pytest.mark.parametrize(
    "body",
    [
        b"id=77&amp;finish_result=failed",
        b"x=1&amp;amp;id=77&#38;finish_result=failed",
        b"id%3D77%26finish_result%3Dfailed",
        b'{"data": "{\\"id\\": 77, \\"finish_result\\": \\"failed\\"}"}',
        b'{"data": "{\\u0022id\\u0022: 77, \\u0022finish_result\\u0022: \\u0022failed\\u0022}"}',
        b'{"a": {"b": "[{\\"id\\": 77, \\"finish_result\\": \\"failed\\"}]"}}',
        b'{"a": "{\\"b\\": \\"{\\\\\\"id\\\\\\": 77, \\\\\\"result\\\\\\": \\\\\\"failed\\\\\\"}\\"}"}',
        json.dumps(JSON.decode()).encode(),
        json.dumps(json.dumps(JSON.decode())).encode(),
        b'"id=77&finish_result=failed"',
        b"{&quot;id&quot;: 77, &quot;finish_result&quot;: &quot;failed&quot;}",
        b'{\\"id\\": 77, \\"finish_result\\": \\"failed\\"}',
        b"data=" + quote('"{\\"id\\": 77, \\"finish_result\\": \\"failed\\"}"').encode(),
        quote(JSON).encode(),
        quote(JSON).encode() + b"=",
        JSON + b"=",
    ],
)
def test_escaped_twice_or_for_html(body: bytes) -> None:
    assert meaning(arrive(body)) == MEANT


@pytest.mark.parametrize("query", [quote(JSON).encode(), b"id=77&amp;finish_result=failed"])
def test_escaped_twice_in_the_query(query: bytes) -> None:
    assert meaning(arrive(query=query)) == MEANT


@pytest.mark.parametrize("text", ["нет ответа", "100%", "a+b"])
def test_escaped_twice_in_a_value(text: str) -> None:
    once = quote(text)
    assert said(arrive(f"id=7&finish_comment={once}".encode())).comment == text
    if once != text and "%25" not in once:
        assert said(arrive(f"id=7&finish_comment={quote(once)}".encode())).comment == text


def bare_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"gzip", gzip.compress(JSON)),
        (b"", gzip.compress(JSON)),
        (b"deflate", gzip.compress(JSON)),
        (b"deflate", zlib.compress(JSON)),
        (b"gzip", zlib.compress(JSON, 1)),
        (b"identity", zlib.compress(JSON, 9)),
        (b"deflate", bare_deflate(JSON)),
        (b"gzip", JSON),
        (b"gzip, gzip", gzip.compress(gzip.compress(JSON))),
        (b"x-gzip", gzip.compress(JSON[:10]) + gzip.compress(JSON[10:])),
        (b"GZIP", gzip.compress(b"id=77&result=failed")),
    ],
)
def test_compressed_bodies(encoding: bytes, body: bytes) -> None:
    arrival = arrive(body, headers={b"content-encoding": encoding} if encoding else None)
    assert meaning(arrival) == MEANT
    assert arrival.delivery.body == body


def test_compressed_bodies_that_are_cut_off_are_read_as_far_as_they_go() -> None:
    arrival = arrive(
        gzip.compress(b'{"id": 77, "result": "failed", "more": "' + bytes(range(65, 90)) * 40)[:-30]
    )
    assert (said(arrival).task_id, arrival.delivery.problem) == ("77", "broken compression; broken JSON")


def test_compressed_bodies_never_grow_beyond_a_bound() -> None:
    bomb = gzip.compress(b'{"id": 77, "x": "' + b"0" * 100_000_000 + b'"}')
    arrival = arrive(bomb)
    assert arrival.delivery.problem is not None
    assert "more than 1 MiB" in arrival.delivery.problem
    assert arrival.delivery.body == bomb
    assert said(arrival).task_id == "77"


def test_compressed_with_something_else_is_named() -> None:
    arrival = arrive(b"\x28\xb5\x2f\xfd\x04\x00", headers={b"content-encoding": b"zstd"})
    assert arrival.delivery.problem is not None
    assert "'zstd'; only gzip and deflate" in arrival.delivery.problem


ROWS = '{"id": 71, "event": "before"}', '{"id": 72, "event": "url_after", "result": "failed"}'
SEVERAL = {
    "array": f"[{ROWS[0]}, {ROWS[1]}]",
    "list": f'{{"events": [{ROWS[0]}, {ROWS[1]}]}}',
    "list in an envelope": f'{{"data": {{"items": [{ROWS[0]}, {ROWS[1]}], "count": 2}}}}',
    "NDJSON": f"{ROWS[0]}\n{ROWS[1]}\n",
    "JSON without anything between": f"{ROWS[0]}{ROWS[1]}",
    "JSON sequence": f"\x1e{ROWS[0]}\n\x1e{ROWS[1]}\n",
    "array as text": json.dumps({"events": f"[{ROWS[0]}, {ROWS[1]}]"}),
    "texts in an array": json.dumps(ROWS),
    "array that became an object": f'{{"0": {ROWS[0]}, "1": {ROWS[1]}}}',
    "array in a field": "events=" + quote(f"[{ROWS[0]}, {ROWS[1]}]"),
    "numbered fields": "events[0][id]=71&events[0][event]=before"
    "&events[1][id]=72&events[1][event]=after&events[1][result]=failed",
    "numbered fields, escaped": "e%5B0%5D%5Bid%5D=1&events%5B0%5D%5Bid%5D=71&events%5B0%5D%5Bevent%5D=before"
    "&events%5B1%5D%5Bid%5D=72&events%5B1%5D%5Bevent%5D=after&events%5B1%5D%5Bresult%5D=failed",
    "numbered fields with dots": "events.0.id=71&events.0.event=before"
    "&events.1.id=72&events.1.event=after&events.1.result=failed",
}


@pytest.mark.parametrize("form", SEVERAL)
def test_several_events_in_one_request(form: str) -> None:
    arrival = arrive(SEVERAL[form].encode(), event="success")
    first, (second,) = arrival.fact, arrival.more
    assert first is not None
    assert (first.id, second.id) == (
        f"{ACCOUNT}/hook/{arrival.delivery.id}",
        f"{ACCOUNT}/hook/{arrival.delivery.id}.1",
    )
    assert (first.task_id, second.task_id) == ("71", "72")
    assert isinstance(second.said, HookSaid)
    assert (said(arrival).event, second.said.event, second.said.result) == ("before", "after", "failed")
    assert arrival.delivery.problem is None


def test_several_events_share_what_stands_beside_them() -> None:
    body = b'{"scheduler_id": 5, "events": [{"task_id": 1}, {"task_id": 2, "scheduler_id": 6}]}'
    arrival = arrive(body, query=b"result=failed")
    facts = [fact.said for fact in (arrival.fact, *arrival.more) if fact and isinstance(fact.said, HookSaid)]
    assert [(fact.event, fact.task_id, fact.queue_id, fact.result) for fact in facts] == [
        ("after", "1", "5", "failed"),
        ("after", "2", "6", "failed"),
    ]


def test_several_events_at_a_minted_url_are_all_of_its_task() -> None:
    body = b'[{"event": "before"}, {"event": "success", "cdr": "c1"}, {"event": "after", "id": 9}]'
    arrival = arrive(body, ref="r1")
    facts = [arrival.fact, *arrival.more]
    assert [(fact.ref, fact.task_id) for fact in facts if fact] == [("r1", None)] * 3
    assert arrival.delivery.problem is None


def test_several_tasks_in_a_request_to_the_url_of_one_say_only_what_the_url_says() -> None:
    arrival = arrive(b'[{"id": 1, "result": "success"}, {"id": 2, "result": "failed"}]', ref="r1")
    assert (said(arrival).event, said(arrival).result, said(arrival).readable) == ("after", None, False)
    assert arrival.more == ()
    assert arrival.delivery.problem == "several tasks in a request to the URL of one"


def test_several_events_of_which_one_is_broken_are_all_there() -> None:
    arrival = arrive(f'{ROWS[0]}\n{{"id": 7, "event": bef\n{ROWS[1]}'.encode())
    facts = [arrival.fact, *arrival.more]
    assert [fact.task_id for fact in facts if fact] == ["71", "7", "72"]
    assert arrival.delivery.problem == "broken JSON"


def test_several_events_of_which_one_names_no_task_are_the_others() -> None:
    arrival = arrive(b'[{"id": 1}, {"id": "null"}, {"id": 3}]')
    assert [fact.task_id for fact in (arrival.fact, *arrival.more) if fact] == ["1", "3"]
    assert arrival.delivery.problem == "1 of 3 events name no task"


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": 77, "result": "failed", "cdr": [{"call_uuid": "a"}, {"call_uuid": "b"}]}',
        b'{"id": 77, "result": "failed", "legs": [{"id": 1}, {"id": 2}]}',
        b'[{"name": "Ivan"}, {"id": 77, "result": "failed"}]',
        b'[{"id": 77, "result": "failed"}]',
        b'{"events": [{"id": 77, "result": "failed"}]}',
        b'{"id": 77, "result": "failed", "data": [{"name": "a"}, {"name": "b"}]}',
    ],
)
def test_one_event_with_a_list_in_it_is_one(body: bytes) -> None:
    arrival = arrive(body)
    assert (*meaning(arrival), arrival.more) == (*MEANT, ())


def test_no_more_events_are_read_of_a_request_than_a_thousand() -> None:
    arrival = arrive(b"\n".join(b'{"id": %d}' % (number + 1) for number in range(3000)))
    assert len(arrival.more) == 999
    assert arrival.delivery.problem is not None
    assert "more than 1000 events" in arrival.delivery.problem


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
    assert found == HookSaid("after")


@pytest.mark.parametrize(
    "word", ["null", "undefined", "None", "[object Object]", "{finish_result}", "%result%"]
)
def test_words_that_mean_nothing_are_no_result_and_no_comment(word: str) -> None:
    body = json.dumps({"result": word, "finish_comment": word.replace("result", "comment")}).encode()
    assert said(arrive(body, ref="r1")) == HookSaid("after")


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


@pytest.mark.parametrize(
    "body",
    [
        b"id=77\nfinish_result=failed",
        b"id=77\r\nfinish_result=failed\r\n",
        b"id = 77\r\n\r\nfinish_result = failed",
        b"id: 77\nfinish_result: failed\n",
    ],
)
def test_one_name_and_value_a_line(body: bytes) -> None:
    assert meaning(arrive(body, headers={b"content-type": b"text/plain"})) == MEANT


def test_one_name_and_value_a_line_keeps_the_plus_of_a_number() -> None:
    assert said(arrive(b"id=77\r\na_number=+79990000001\r\n")).a_number == "+79990000001"


@pytest.mark.parametrize("field", ["task_id", "scheduler_id", "call_uuid", "a_number"])
@pytest.mark.parametrize(
    ("value", "fault"), [("x" * 129, "is longer than 128 characters"), ("7\n8", "has a line end in it")]
)
def test_a_value_that_no_index_takes_is_no_value_and_is_noted(field: str, value: str, fault: str) -> None:
    arrival = arrive(json.dumps({field: value, "result": "failed"}).encode(), ref="r1")
    ours = {"scheduler_id": "queue_id", "call_uuid": "call"}.get(field, field)
    assert said(arrival) == HookSaid("after", result="failed", readable=False)
    assert arrival.delivery.problem == f"{ours} {fault}"


def test_an_id_of_128_characters_is_one() -> None:
    assert said(arrive(b"id=" + b"x" * 128)).task_id == "x" * 128


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": 77, "result": "failed", "more": "cut o',
        b'{"id": 77, "result": "failed", "more": 12',
        b'{"id": 77, "result": "failed",}',
        b'{"id": 77, "comment": "say "hi" to", "result": "failed"}',
        b'{"task": {"id": 77, "result": "failed"}, "x": \\d}',
        b'{"id": 77, "result": "failed"} and more',
    ],
)
def test_a_fault_in_one_field_of_json_is_that_fields_alone(body: bytes) -> None:
    arrival = arrive(body)
    assert meaning(arrival) == ("77", "failed", "broken JSON")
    assert not said(arrival).readable


def test_a_bare_control_character_in_json_is_no_fault() -> None:
    assert meaning(arrive(b'{"id": 77, "comment": "two\nlines\t", "result": "failed"}')) == MEANT


def test_a_fault_in_one_field_of_a_form_is_that_fields_alone() -> None:
    arrival = arrive(b'id=77&data={"name": "Iv&result=failed&<x>=1')
    assert meaning(arrival) == ("77", "failed", "broken JSON in 'data'")


def test_a_fault_in_the_body_leaves_the_query_and_the_reverse() -> None:
    assert meaning(arrive(b"\xff\x00garbage", b"id=77&result=failed"))[:2] == MEANT[:2]
    arrival = arrive(JSON, b'data={"x": "')
    assert meaning(arrival) == ("77", "failed", "broken JSON in 'data'")


def test_multipart_that_is_cut_off_is_read_as_far_as_it_is_whole() -> None:
    part = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = part.format("id", "77") + part.format("result", "failed") + part.format("x", "1")[:-6]
    assert meaning(arrive(body.encode())) == ("77", "failed", "broken multipart")


RAW = "id=77&result=failed&finish_comment=нет ответа"


def test_numbers_attempt_and_planned_time_are_read() -> None:
    body = (
        b'{"a_number": "+7 999", "b_number": 305, "try_number": 2, "start_time_utc": "2023-11-14 22:13:20"}'
    )
    assert said(arrive(body, ref="r1")) == HookSaid(
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
