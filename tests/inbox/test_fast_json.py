"""Flat JSON is read by a faster parser; whatever is sent, it must come out as from the standard library's."""

import json
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.inbox import payload as module
from receiver.inbox.payload import Payload, read_payload

NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from(
        [2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**30, 10**400, -0.0, 1e16]
    ),
)
PLAIN = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(st.characters(), max_size=10))
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4)
OBJECTS = st.dictionaries(st.text(st.characters(), max_size=5), VALUES, max_size=5)
WORDS = st.lists(
    st.sampled_from(
        ['{"a":', '"b":', "{", "}", "[", "]", ",", "1", "-0", "1.0", "1e5", "1e400", "NaN", '"\\ud800"']
    ),
    max_size=12,
)


def slowly(body: bytes) -> Payload:
    """As if there were no other parser than the standard library's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_read_flat", lambda _: None)
        return read_payload("", "", body)


ODD = {
    "NaN": b'{"a": NaN, "b": Infinity, "c": -Infinity}',
    "floats": b'{"a": 1.0, "b": 1e5, "c": 1E-7, "d": -0.0, "e": 1e400, "f": 1e-400}',
    "whole numbers": b'{"a": -0, "b": 0, "c": 18446744073709551615, "d": 9007199254740993}',
    "very long numbers": b'{"a": 18446744073709551616, "b": -9223372036854775809}',
    "too long a number": b'{"a": ' + b"9" * 5_000 + b"}",
    "a name twice": b'{"a": 1, "b": 2, "a": 3}',
    "half a surrogate pair": b'{"a": "\\ud800", "\\udc00": 1}',
    "a whole surrogate pair": b'{"a": "\\ud83d\\ude00"}',
    "a surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "cp1251": '{"a": "Иван"}'.encode("cp1251"),
    "a NUL": b'{"a": "x\\u0000y"}',
    "a bare control character": b'{"a": "x\ny"}',
    "a bare NUL": b'{"a": "x\0y"}',
    "nothing": b"{}",
    "an empty name": b'{"": "x"}',
    "more behind it": b'{"a": 1} {"b": 2}',
    "a comma too many": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "a comment": b'{"a": 1 /* one */}',
    "half an object": b'{"a": 1',
    "a list": b'[{"a": 1}, {"a": [1, {"b": null}]}]',
    "nested": b'{"a": {"b": {"c": true}}, "d": 1}',
    "very deep": b'{"a":' * 500 + b"1" + b"}" * 500,
    "too deep": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("case", ODD)
def test_odd_bodies_are_read_alike(case: str) -> None:
    assert read_payload("", "", ODD[case]) == slowly(ODD[case])


@given(OBJECTS, st.booleans())
def test_any_object_is_read_alike(value: dict[str, object], escaped: bool) -> None:
    body = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    assert read_payload("", "", body) == slowly(body)


@given(WORDS)
def test_what_may_be_broken_is_read_alike(words: list[str]) -> None:
    body = "".join(words).encode()
    assert read_payload("", "", body) == slowly(body)


def test_the_common_case_takes_the_fast_way() -> None:
    body = '{"id": 77, "name": "Иван", "done": true, "nothing": null}'.encode()
    assert module._read_flat(body) == (("id", "77"), ("name", "Иван"), ("done", "true"), ("nothing", ""))


@given(st.lists(st.sampled_from(["x", "=", "=", "&", "&", "+", "%41", "%D0%96", "%2", "%", ";", "Ж", " "])))
def test_forms_are_taken_apart_as_by_the_standard_library(parts: list[str]) -> None:
    text = "".join(parts)
    assert list(read_payload(text, "", b"").pairs) == parse_qsl(text, keep_blank_values=True)
