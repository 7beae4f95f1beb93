"""Forms of payload that senders of webhooks are known to use, each a kind with its siblings."""

import gzip
import json
import zlib
from functools import partial
from urllib.parse import quote

import pytest

from tests.inbox.kinds import MEANT, arrive, meaning, said

JSON = b'{"id": 77, "finish_result": "failed"}'

zipped = partial(gzip.compress, mtime=0)
"""Without the time, or the names of tests would differ from one process to the next."""


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
        (b"gzip", zipped(JSON)),
        (b"", zipped(JSON)),
        (b"deflate", zipped(JSON)),
        (b"deflate", zlib.compress(JSON)),
        (b"gzip", zlib.compress(JSON, 1)),
        (b"identity", zlib.compress(JSON, 9)),
        (b"deflate", bare_deflate(JSON)),
        (b"gzip", JSON),
        (b"gzip, gzip", zipped(zipped(JSON))),
        (b"x-gzip", zipped(JSON[:10]) + zipped(JSON[10:])),
        (b"GZIP", zipped(b"id=77&result=failed")),
    ],
)
def test_compressed_bodies(encoding: bytes, body: bytes) -> None:
    arrival = arrive(body, headers={b"content-encoding": encoding} if encoding else None)
    assert meaning(arrival) == MEANT
    assert arrival.delivery.body == body


def test_compressed_bodies_that_are_cut_off_are_read_as_far_as_they_go() -> None:
    arrival = arrive(zipped(b'{"id": 77, "result": "failed", "more": "' + bytes(range(65, 90)) * 40)[:-30])
    assert (said(arrival).task_id, arrival.delivery.problem) == ("77", "broken compression; broken JSON")


def test_compressed_bodies_never_grow_beyond_a_bound() -> None:
    bomb = zipped(b'{"id": 77, "x": "' + b"0" * 100_000_000 + b'"}')
    arrival = arrive(bomb)
    assert arrival.delivery.problem is not None
    assert "more than 1 MiB" in arrival.delivery.problem
    assert arrival.delivery.body == bomb
    assert said(arrival).task_id == "77"


def test_compressed_with_something_else_is_named() -> None:
    arrival = arrive(b"\x28\xb5\x2f\xfd\x04\x00", headers={b"content-encoding": b"zstd"})
    assert arrival.delivery.problem is not None
    assert "'zstd'; only gzip and deflate" in arrival.delivery.problem


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


@pytest.mark.parametrize("sign", ["=", ": "])
def test_one_name_and_value_a_line_keeps_the_plus_of_a_number(sign: str) -> None:
    assert said(arrive(f"id{sign}77\r\na_number{sign}+79990000001\r\n".encode())).a_number == "+79990000001"


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
