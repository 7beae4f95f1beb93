"""The document of a batch, which programs in other languages read and write as well."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.errors import BatchError
from receiver.inbox.inbox import VERSION, RawHook, decode_batch, encode_batch
from tests.inbox.inbox_env import AT, raw_hook, raw_hooks

BYTES = st.binary(max_size=40)
HOOKS = st.builds(
    RawHook,
    id=st.text(max_size=32),
    account=st.text(max_size=20),
    event=st.sampled_from(["before", "before_again", "success", "after"]),
    ref=st.none() | st.text(max_size=20),
    received_at=st.floats(allow_nan=False, allow_infinity=False),
    method=st.sampled_from(["GET", "POST", "PUT"]),
    query=BYTES,
    headers=st.lists(st.tuples(BYTES, BYTES), max_size=4).map(tuple),
    body=st.binary(max_size=400),
    is_cut=st.booleans(),
    peer=st.none() | st.text(max_size=40),
)

HOOK = RawHook(
    "018bcfe5687b00000000000000000000",
    "acme",
    "before",
    None,
    1_700_000_000.125,
    "POST",
    b"id=7",
    ((b"host", b"x"), (b"x-odd", b"\xff")),
    b"a=1\x00",
    True,
    "192.0.2.1",
)

DOCUMENT = (
    b"\x92\x01"  # an array of two: the version, and …
    b"\x91"  # an array of one hook,
    b"\x9b"  # which is an array of eleven:
    b"\xd9\x20018bcfe5687b00000000000000000000"
    b"\xa4acme"
    b"\xa6before"
    b"\xc0"
    b"\xcb\x41\xd9\x54\xfc\x40\x08\x00\x00"
    b"\xa4POST"
    b"\xc4\x04id=7"
    b"\x92\x92\xc4\x04host\xc4\x01x\x92\xc4\x05x-odd\xc4\x01\xff"
    b"\xc4\x04a=1\x00"
    b"\xc3"
    b"\xa9192.0.2.1"
)
"""What is documented, byte for byte, as the MessagePack specification has it."""


@given(st.lists(HOOKS, max_size=5))
def test_a_document_holds_the_hooks_as_they_were(hooks: list[RawHook]) -> None:
    assert decode_batch(encode_batch(hooks)) == hooks


def test_a_document_is_what_is_documented_byte_for_byte() -> None:
    assert encode_batch([HOOK]) == DOCUMENT
    assert decode_batch(DOCUMENT) == [HOOK]
    assert encode_batch([]) == b"\x92\x01\x90"


def test_who_knows_none_of_our_types_reads_the_documented_fields_in_their_order() -> None:
    version, hooks = msgspec.msgpack.decode(encode_batch([HOOK, raw_hook()]))
    assert version == 1
    assert hooks[0] == [
        "018bcfe5687b00000000000000000000",
        "acme",
        "before",
        None,
        1_700_000_000.125,
        "POST",
        b"id=7",
        [[b"host", b"x"], [b"x-odd", b"\xff"]],
        b"a=1\x00",
        True,
        "192.0.2.1",
    ]
    content_type = [b"content-type", b"application/x-www-form-urlencoded"]
    assert hooks[1][3:] == ["r1", AT, "POST", b"", [content_type], b"id=7", False, "192.0.2.1"]


def plain(hook: RawHook) -> list[Any]:
    """The hook as values without types of ours."""
    ((plain_hook,),) = msgspec.msgpack.decode(encode_batch([hook]))[1:]
    assert isinstance(plain_hook, list)
    return plain_hook


def document(*hooks: list[Any], version: Any = VERSION) -> bytes:
    return msgspec.msgpack.encode([version, list(hooks)])


def test_fields_that_a_later_version_adds_to_a_hook_are_ignored() -> None:
    longer = [*plain(HOOK), "new", {"and": [1, None, b"more"]}]
    assert decode_batch(document(longer, plain(raw_hook()))) == [HOOK, raw_hook()]


def test_what_a_later_version_adds_behind_the_hooks_is_ignored() -> None:
    assert decode_batch(msgspec.msgpack.encode([VERSION, [plain(HOOK)], "more"])) == [HOOK]


@pytest.mark.parametrize("version", [0, 2, 77, -1])
def test_a_document_of_another_version_is_refused(version: int) -> None:
    with pytest.raises(BatchError, match=f"a batch of version {version}, and this receiver reads 1"):
        decode_batch(document(plain(HOOK), version=version))


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x92",
        b"\xc1",
        b"no batch at all",
        DOCUMENT[:-1],
        DOCUMENT[: len(DOCUMENT) // 2],
        DOCUMENT + b"\x00",
        document(version="1"),
        document(version=None),
        document(plain(HOOK)[:8]),
        document([7, *plain(HOOK)[1:]]),
        document([*plain(HOOK)[:4], "noon", *plain(HOOK)[5:]]),
        document([*plain(HOOK)[:7], [[b"host"]], *plain(HOOK)[8:]]),
        msgspec.msgpack.encode({"version": 1, "hooks": []}),
        msgspec.msgpack.encode([1]),
        msgspec.msgpack.encode(1),
        DOCUMENT.replace(b"acme", b"ac\xff\xfe"),
    ],
)
def test_what_is_no_document_is_refused_with_an_error_that_shows_nothing_of_it(broken: bytes) -> None:
    with pytest.raises(BatchError) as caught:
        decode_batch(broken)
    assert not any(word in str(caught.value) for word in ("acme", "noon", "192.0.2.1", "no batch at all"))


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_are_hooks_or_are_refused(data: bytes) -> None:
    try:
        hooks = decode_batch(data)
    except BatchError:
        return
    assert all(isinstance(hook, RawHook) for hook in hooks)


@given(st.data())
def test_a_document_that_was_damaged_is_hooks_or_is_refused(data: st.DataObject) -> None:
    whole = bytearray(encode_batch(raw_hooks(3)))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))
    try:
        hooks = decode_batch(bytes(whole))
    except BatchError:
        return
    assert all(isinstance(hook, RawHook) for hook in hooks)


def test_a_document_costs_little_more_than_what_is_in_it() -> None:
    hook = raw_hook(body=b"x" * 500)
    assert len(encode_batch([hook] * 100)) < 100 * (500 + 200)
