"""Requests out of fuzzed bytes: well-formed ones, broken ones, and plain noise."""

from dataclasses import dataclass, field
from typing import Protocol

from receiver.domain.facts import EVENTS
from receiver.domain.hooks import HookKey, HookSigner, mint_urls

SIGNER = HookSigner((HookKey("fuzz", "f" * 40),))
SECRET = "a-fixed-secret-of-the-account"

_TOKEN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~!$'()*,;:@/?=&%20"
_NOISE = (
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b"\0",
    b"\xff",
    b"\xd0\xb8",
    b":",
    b"0\r\n\r\n",
    b"GET / HTTP/1.1",
)


class Provider(Protocol):
    """What is used of atheris' FuzzedDataProvider."""

    def ConsumeIntInRange(self, least: int, most: int) -> int: ...
    def ConsumeBool(self) -> bool: ...
    def ConsumeBytes(self, count: int) -> bytes: ...


@dataclass
class Sent:
    """One request as it is written. `is_minted`: it is authentic. `body`: without its framing."""

    method: str
    target: bytes
    is_minted: bool
    body: bytes = b""
    head: list[bytes] = field(default_factory=list)
    framed: bytes = b""
    is_chunked: bool = False

    @property
    def wire(self) -> bytes:
        return b"\r\n".join([*self.head, b"", b""]) + self.framed


def well_formed(provider: Provider) -> Sent:
    """A request that every parser must read alike."""
    sent = _target(provider)
    sent.head = [b"%b %b HTTP/1.1" % (sent.method.encode(), sent.target), b"Host: fuzz"]
    for number in range(provider.ConsumeIntInRange(0, 4)):
        value = bytes(33 + byte % 94 for byte in provider.ConsumeBytes(provider.ConsumeIntInRange(0, 40)))
        sent.head.append(b"X-Fuzz-%d: %b" % (number, value))
    framing = provider.ConsumeIntInRange(0, 2)
    if framing:
        sent.body = provider.ConsumeBytes(provider.ConsumeIntInRange(0, 300))
    if framing == 1:
        sent.head.append(b"Content-Length: %d" % len(sent.body))
        sent.framed = sent.body
    elif framing == 2:
        sent.is_chunked = True
        sent.head.append(b"Transfer-Encoding: chunked")
        sent.framed = _chunked(provider, sent.body)
    return sent


def _target(provider: Provider) -> Sent:
    event = EVENTS[provider.ConsumeIntInRange(0, 3)]
    kind = provider.ConsumeIntInRange(0, 3)
    if kind == 0:
        path = mint_urls(SIGNER, "", "main", f"r{provider.ConsumeIntInRange(0, 9)}")[f"url_{event}"]
    elif kind == 1:
        path = f"/hooks/main/{event}/{SECRET}"
    elif kind == 2:
        path = f"/hooks/main/{event}/r1/fuzz.forged"
    else:
        path = "/" + _text(provider, 30)
    query = f"?{_text(provider, 40)}" if provider.ConsumeBool() else ""
    method = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS")[provider.ConsumeIntInRange(0, 5)]
    return Sent(method, (path + query).encode(), kind < 2 and method in ("GET", "POST", "PUT"))


def _text(provider: Provider, most: int) -> str:
    drawn = provider.ConsumeBytes(provider.ConsumeIntInRange(0, most))
    return "".join(_TOKEN[byte % len(_TOKEN)] for byte in drawn)


def _chunked(provider: Provider, body: bytes) -> bytes:
    written, rest = [], body
    while rest:
        size = provider.ConsumeIntInRange(1, len(rest))
        extension = b";name=value" if provider.ConsumeBool() else b""
        written.append(b"%x%b\r\n%b\r\n" % (size, extension, rest[:size]))
        rest = rest[size:]
    trailer = b"X-Trailer: 1\r\n" if provider.ConsumeBool() else b""
    return b"".join(written) + b"0\r\n" + trailer + b"\r\n"


def broken(provider: Provider, wire: bytes) -> bytes:
    """The bytes with a few changes."""
    data = bytearray(wire)
    for _ in range(provider.ConsumeIntInRange(1, 4)):
        at = provider.ConsumeIntInRange(0, len(data))
        change = provider.ConsumeIntInRange(0, 3)
        if change == 0:
            data[at:at] = _NOISE[provider.ConsumeIntInRange(0, len(_NOISE) - 1)]
        elif change == 1:
            del data[at : at + provider.ConsumeIntInRange(1, 20)]
        elif change == 2 and at < len(data):
            data[at] = provider.ConsumeIntInRange(0, 255)
        else:
            data[at:at] = data[: provider.ConsumeIntInRange(0, 40)]
    return bytes(data)


def pieces(provider: Provider, wire: bytes) -> list[bytes]:
    """The bytes as a network may deliver them."""
    cut, at = [], 0
    for _ in range(provider.ConsumeIntInRange(0, 8)):
        size = provider.ConsumeIntInRange(0, max(1, len(wire) - at))
        cut.append(wire[at : at + size])
        at += size
    return [piece for piece in (*cut, wire[at:]) if piece]
