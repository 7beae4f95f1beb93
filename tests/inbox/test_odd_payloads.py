"""Senders that get a form nearly right, and bodies that only look as if they could be read."""

import pytest

from receiver.inbox.payload import read_payload

PART = '--{0}\r\nContent-Disposition: form-data; name="{1}"\r\n\r\n{2}\r\n'
MULTIPART = (PART.format("b", "id", "77") + PART.format("b", "empty", "") + "--b--\r\n").encode()
BOTH = (("id", "77"), ("empty", ""))


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=b",
        'multipart/form-data; charset=utf-8; Boundary="b"',
        "multipart/form-data",
        "multipart/form-data; boundary=another",
        "text/plain; boundary=b",
        "application/json",
        "",
    ],
)
@pytest.mark.parametrize("before", [b"", b"\r\n"])
def test_multipart_is_read_by_what_the_body_says(content_type: str, before: bytes) -> None:
    assert read_payload("", content_type, before + MULTIPART).pairs == BOTH


def test_multipart_with_words_before_it_is_found_by_its_content_type() -> None:
    body = b"This is a multi-part message.\r\n" + MULTIPART
    assert read_payload("", "multipart/form-data; boundary=b", body).pairs == BOTH


def test_json_in_a_part_is_looked_into() -> None:
    body = (PART.format("b", "data", '{"cdr": "u-1"}') + "--b--\r\n").encode()
    assert read_payload("", "", body).pairs == (("data.cdr", "u-1"),)


def test_json_in_a_query_is_looked_into() -> None:
    assert read_payload("data=%7B%22id%22%3A77%7D", "", b"").pairs == (("data.id", "77"),)


def test_a_byte_order_mark_does_no_harm() -> None:
    assert read_payload("", "application/json", b'\xef\xbb\xbf{"id": 77}').pairs == (("id", "77"),)
    assert read_payload("", "", b"\xef\xbb\xbfid=77").pairs == (("id", "77"),)


@pytest.mark.parametrize("comment", ["[A] no answer", "[", "[1, 2"])
def test_a_comment_that_begins_with_a_bracket_is_a_comment(comment: str) -> None:
    payload = read_payload("", "", f"id=77&finish_comment={comment}".encode())
    assert payload.pairs == (("id", "77"), ("finish_comment", comment))
    assert payload.problem is None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<?xml version='1.0'?><task id='77'/>", id="XML"),
        pytest.param(b'<html lang="en">502 Bad Gateway</html>', id="HTML"),
        pytest.param(MULTIPART.replace(b"\r\n", b"\n"), id="multipart with bare line feeds"),
        pytest.param(b"--b--\r\n", id="multipart of nothing"),
        pytest.param('{"id": 77}'.encode("utf-16"), id="JSON in UTF-16"),
        pytest.param(b"77", id="a number alone"),
        pytest.param(b"a" * 300 + b"=1", id="a name of three hundred letters"),
        pytest.param(b"\x00\x01=\x02", id="a name of control characters"),
    ],
)
def test_what_only_looks_readable_is_a_problem(body: bytes) -> None:
    payload = read_payload("", "multipart/form-data", body)
    assert (payload.pairs, payload.problem is None) == ((), False)


def test_multipart_without_its_end_is_read_as_far_as_it_goes() -> None:
    payload = read_payload("", "multipart/form-data", MULTIPART[:-7])
    assert (payload.pairs[:1], payload.problem) == ((("id", "77"),), "broken multipart")


def test_json_cut_off_in_a_form_field_is_kept_as_the_text_that_it_is() -> None:
    payload = read_payload("", "", b'data={"id": 77')
    assert (payload.pairs, payload.problem) == ((("data", '{"id": 77'),), "broken JSON in 'data'")


def test_a_number_of_five_thousand_digits_is_no_fault() -> None:
    assert read_payload("", "", b'{"n": ' + b"9" * 5_000 + b"}").pairs == (("n", "9" * 5_000),)


def test_json_nested_deeper_than_any_sender_would_is_read_no_further() -> None:
    body = b'{"id": 77, "deep": ' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}"
    assert read_payload("", "", body).pairs == (("id", "77"),)


def test_a_name_that_comes_twice_is_kept_twice_in_its_order() -> None:
    assert read_payload("id=1&id=2", "", b"id=3").pairs == (("id", "1"), ("id", "2"), ("id", "3"))
