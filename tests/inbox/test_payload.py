"""Every form that a hook may take says the same."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.inbox.payload import Payload, read_payload

NAMES = ("name", "id")
SAID = (("name", "Иван"), ("id", "77"))
MULTIPART = (
    '--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nИван\r\n'
    '--b\r\nContent-Disposition: form-data; name="id"; filename="id.txt"\r\n\r\n77\r\n--b--\r\n'
)

FORMS = {
    "query": ("name=%D0%98%D0%B2%D0%B0%D0%BD&id=77", "", b""),
    "query after a second question mark": ("name=%D0%98%D0%B2%D0%B0%D0%BD?id=77", "", b""),
    "cp1251 in the query's escapes": ("name=%C8%E2%E0%ED&id=77", "", b""),
    "form": ("", "application/x-www-form-urlencoded", b"name=%D0%98%D0%B2%D0%B0%D0%BD&id=77"),
    "form in raw UTF-8": ("", "", "name=Иван&id=77".encode()),
    "form in raw cp1251": ("", "", "name=Иван&id=77".encode("cp1251")),
    "form that says it is JSON": ("", "application/json", "name=Иван&id=77".encode()),
    "JSON": ("", "application/json", '{"name": "Иван", "id": 77}'.encode()),
    "JSON in cp1251": ("", "application/json", '{"name": "Иван", "id": 77}'.encode("cp1251")),
    "JSON that says it is a form": (
        "",
        "application/x-www-form-urlencoded",
        b'{"name": "\\u0418\\u0432\\u0430\\u043d", "id": 77}',
    ),
    "nested JSON": ("", "", '{"task": {"name": "Иван", "id": 77}}'.encode()),
    "list of JSON": ("", "", '[{"name": "Иван"}, {"id": 77}]'.encode()),
    "JSON inside a form field": ("", "", ("data=" + '{"name": "Иван", "id": 77}').encode()),
    "multipart": ("", "multipart/form-data; boundary=b", MULTIPART.encode()),
    "multipart without its boundary": ("", "text/plain", MULTIPART.encode()),
    "query and body": ("name=%D0%98%D0%B2%D0%B0%D0%BD", "", b"id=77"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(form: str) -> None:
    payload = read_payload(*FORMS[form])
    # A nested name has that of its object before it.
    assert tuple((name.rpartition(".")[2], value) for name, value in payload.pairs) == SAID
    assert payload.problem is None


def test_nothing_says_nothing() -> None:
    assert read_payload("", "", b"") == read_payload("", "", b" \r\n") == Payload(())


def test_values_nearer_to_the_root_come_first() -> None:
    body = json.dumps({"task": {"id": 1}, "id": 2, "done": True, "nothing": None}).encode()
    assert read_payload("", "", body).pairs == (
        ("id", "2"),
        ("done", "true"),
        ("nothing", ""),
        ("task.id", "1"),
    )


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": 77, "na',
        b"\xff\xfe\x00\x01\x02=\x03",
        b"garbage",
        b"--b\r\nnot a part",
        b"data=%7B%22id%22",
        b"[" * 100_000,
        b'{"a":' * 50_000,
    ],
)
def test_what_cannot_be_read_is_a_problem_and_the_query_still_counts(body: bytes) -> None:
    payload = read_payload("id=77", "application/json", body)
    assert payload.problem is not None
    assert payload.pairs[0] == ("id", "77")


@given(st.text(max_size=50), st.text(max_size=30), st.binary(max_size=300))
def test_no_bytes_make_it_raise(query: str, content_type: str, body: bytes) -> None:
    read_payload(query, content_type, body)


@given(st.binary(max_size=200))
def test_no_multipart_makes_it_raise(body: bytes) -> None:
    read_payload("", "multipart/form-data; boundary=b", b"--b\r\n" + body)
