"""A batch of raw hooks as one MessagePack document, which a program in another language can read as well.

The document is an array: the version (1), then an array of hooks. A hook is an array, in this order:

    id           text     of the delivery: 12 hex digits of arrival in milliseconds, then 20 random ones
    account      text     from the URL's path
    event        text     from the URL's path: before, before_again, success or after
    ref          text     our reference from the URL's path, or nil
    received_at  float    epoch seconds, UTC
    method       text     GET, POST or PUT
    query        binary   of the target, behind what a naive sender appended to the path with an `&`
    headers      array    of [name in lower case, value], both binary; without cookies and credentials
    body         binary   up to `max_body_bytes`
    is_cut       boolean  whether the body was longer than that
    peer         text     address of the sender, or nil

A later version may add fields to the end of a hook: readers ignore what they do not know.
"""

from collections.abc import Sequence

import msgspec

from receiver.errors import BatchError

VERSION = 1


class RawHook(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One authentic hook as it came. See the table above."""

    id: str
    account: str
    event: str
    ref: str | None
    received_at: float
    method: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    is_cut: bool = False
    peer: str | None = None

    @property
    def task_id(self) -> None:
        """The vendor's id is known once the payload is read."""


class _Batch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    version: int
    hooks: list[RawHook]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Batch)


def encode_batch(hooks: Sequence[RawHook]) -> bytes:
    """The document of these hooks."""
    return _encoder.encode(_Batch(VERSION, list(hooks)))


def decode_batch(document: bytes) -> list[RawHook]:
    """The hooks of a document. Raises BatchError where it is none, or of a version that is not known."""
    try:
        batch = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BatchError(f"no batch of hooks: {type(error).__name__}") from None
    if batch.version != VERSION:
        raise BatchError(f"a batch of version {batch.version}, and this receiver reads {VERSION}")
    return batch.hooks
