"""What is tried on the reader of payloads, and what must hold.

Each input is a hook whose query and body are pieces of what senders send, put together, nested, compressed
and broken, or noise. Nothing may raise, nothing may take long or grow, and what is read must fit into both
databases.
"""

import gzip
import json
import time
import zlib

from receiver.domain.facts import Fact, HookEvent, pack, unpack
from receiver.domain.fields import FieldReader
from receiver.inbox.bodies import MAX_BYTES
from receiver.inbox.inbox import RawHook
from receiver.inbox.payload import read_payload
from receiver.inbox.reading import read_hook
from tests.fuzz.requests import Provider, broken

LONGEST_S = 1.0
"""Seconds of processor time that one input may take; what is usual is a ten-thousandth of it."""

GROWTH = 100
"""Characters of names and values that may come of one byte: the name of an object stands before each of its
own.
"""

WEIGHED_AT = 1_700_000_000.0
"""Hooks of this moment, one in some, are read once more and what comes of them is measured."""

_READER = FieldReader()
_NAMES = (
    *(
        b"id",
        b"task_id",
        b"task[id]",
        b"events[0][id]",
        b"events[1][id]",
        b"data",
        b"events",
        b"tasks",
        b"0",
        b"1",
    ),
    *(
        b"result",
        b"finish_comment",
        b"EventTime",
        b"CallID",
        b"a_number",
        b"try_number",
        b"event",
        b"amp;id",
        b"",
    ),
)
_VALUES = (
    *(
        b"77",
        b"77.0",
        b"7.7e1",
        b"1e999999999",
        b"null",
        b"{task_id}",
        b"%TaskID%",
        b"${x}",
        b"358-",
        b"true",
    ),
    *(
        b"20231114221320",
        b"1700000000000000000",
        b"2023-11-15T01:13:20 03:00",
        b"0001-01-01",
        b"before",
        b"failed",
    ),
    *(
        b'{"id": 77}',
        b'[{"id": 1}, {"id": 2}]',
        b'"{\\"id\\": 77}"',
        b"{timeout}",
        b"[1, 2",
        b"{&quot;id&quot;:1}",
    ),
    *(
        b"%7B%22id%22%3A77%7D",
        b"%25D0%25BD",
        b"\xed\xe5\xf2",
        "нет".encode(),
        b"\xff\x00",
        b"\\ud800",
        b"9" * 200,
    ),
)
_JOINTS = (b"&", b"&amp;", b"\n", b"\r\n", b"?", b",", b"}{", b"\x1e", b"")
_ENCODINGS = (b"", b"gzip", b"deflate", b"br", b"gzip, deflate", b"\xff")
_TYPES = (b"application/json", b"multipart/form-data; boundary=b", b"text/plain", b"")


def one_input(provider: Provider) -> None:
    """Try one input. Raises AssertionError, or whatever is raised."""
    hook = _hook(provider)
    began = time.process_time()
    arrival = read_hook(hook, _READER)
    took = time.process_time() - began
    assert took < LONGEST_S, f"it took {took:.1f} s"
    facts = [fact for fact in (arrival.fact, *arrival.more) if fact]
    assert arrival.delivery.body == hook.body, "the body is not kept as it came"
    assert facts or arrival.delivery.problem, "a hook was lost unseen"
    assert len({fact.id for fact in facts}) == len(facts) <= 1000
    for fact in facts:
        _check(fact, hook)
    if hook.received_at == WEIGHED_AT:
        _check_size(hook)


def _check(fact: Fact, hook: RawHook) -> None:
    assert fact.ref == hook.ref
    assert fact.ref or fact.task_id
    said = fact.payload
    assert isinstance(said, HookEvent)
    for name in (fact.task_id, said.task_id, said.queue_id, said.call, said.a_number, said.b_number):
        assert name is None or (0 < len(name) <= 128 and len(name.splitlines()) == 1), (
            "a name that no index takes"
        )
    text = pack(said)
    assert "\0" not in text
    assert text.encode()
    assert unpack("hook", text) == said, "it is not read back as it was"


def _check_size(hook: RawHook) -> None:
    encoding = next(
        (value.decode("latin-1") for name, value in hook.headers if name == b"content-encoding"), ""
    )
    payload = read_payload(hook.query.decode("latin-1"), "", hook.body, encoding)
    written = sum(len(name) + len(value) for name, value in payload.pairs)
    assert written <= GROWTH * (len(hook.query) + min(MAX_BYTES, 1000 * len(hook.body)) + 1), "it grows"


def _hook(provider: Provider) -> RawHook:
    ref = "r1" if provider.ConsumeBool() else None
    coding = _ENCODINGS[provider.ConsumeIntInRange(0, len(_ENCODINGS) - 1)]
    content_type = _TYPES[provider.ConsumeIntInRange(0, len(_TYPES) - 1)]
    query = _form(provider) if provider.ConsumeBool() else b""
    body = _body(provider)
    if provider.ConsumeBool():
        body = broken(provider, body or b"x")
    headers = ((b"content-type", content_type), (b"content-encoding", coding))
    at = WEIGHED_AT - provider.ConsumeIntInRange(0, 15)
    is_cut = provider.ConsumeIntInRange(0, 9) == 9
    return RawHook("0" * 32, "main", "after", ref, at, "POST", query, headers, body, is_cut)


def _body(provider: Provider) -> bytes:
    kind = provider.ConsumeIntInRange(0, 255)
    if kind == 255:  # rarely, since each takes as long as a hundred others
        return zlib.compress(_json(provider, 3) * 300)
    kind %= 8
    if kind == 0:
        return provider.ConsumeBytes(provider.ConsumeIntInRange(0, 400))
    if kind == 1:
        return _form(provider)
    if kind == 2:
        return _multipart(provider)
    text = _json(provider, 3)
    for _ in range(provider.ConsumeIntInRange(0, 3)):
        text += _JOINTS[provider.ConsumeIntInRange(0, len(_JOINTS) - 1)] + _json(provider, 2)
    if kind == 3:
        text = json.dumps(text.decode("latin-1")).encode()
    elif kind == 4:
        text = gzip.compress(text)
    elif kind == 5:
        text = zlib.compress(text)
    return text


def _form(provider: Provider) -> bytes:
    parts = []
    for _ in range(provider.ConsumeIntInRange(0, 6)):
        parts.append(_name(provider) + b"=" + _value(provider))
        parts.append(_JOINTS[provider.ConsumeIntInRange(0, len(_JOINTS) - 1)])
    return b"".join(parts)


def _multipart(provider: Provider) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    parts = [head % (_name(provider), _value(provider)) for _ in range(provider.ConsumeIntInRange(0, 3))]
    return b"".join(parts) + b"--b--\r\n"


def _json(provider: Provider, depth: int) -> bytes:
    kind = provider.ConsumeIntInRange(0, 4 if depth else 1)
    if kind == 0:
        return _value(provider)
    if kind == 1:
        return json.dumps(_value(provider).decode("latin-1"), ensure_ascii=provider.ConsumeBool()).encode()
    items = [_json(provider, depth - 1) for _ in range(provider.ConsumeIntInRange(0, 3))]
    if kind == 2:
        return b"[" + b",".join(items) + b"]"
    named = [json.dumps(_name(provider).decode("latin-1")).encode() + b":" + item for item in items]
    return b"{" + b",".join(named) + b"}"


def _name(provider: Provider) -> bytes:
    return _NAMES[provider.ConsumeIntInRange(0, len(_NAMES) - 1)]


def _value(provider: Provider) -> bytes:
    if provider.ConsumeIntInRange(0, 4) == 0:
        return provider.ConsumeBytes(provider.ConsumeIntInRange(0, 60))
    return _VALUES[provider.ConsumeIntInRange(0, len(_VALUES) - 1)]
