"""Requests as they came and as they would be sent: bodies in text and digits, commands to send them again."""

import base64
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from receiver.intake.schemas import DeliveryDetails
from receiver.outcomes.preview import RequestPreview

_MOST_BYTES = 4096
"""Bytes of a body that are shown in hexadecimal digits."""

_HIDDEN = "•••"
_NOT_LETTERS = re.compile(r"[^A-Z0-9]+")
_MADE = ("webhook-signature", "content-length", "host")
"""Headers that are made when a request is sent."""


@dataclass(frozen=True)
class RawDelivery:
    """A delivery as it came."""

    details: DeliveryDetails

    @property
    def body(self) -> bytes:
        if self.details.body_encoding == "base64":
            return base64.b64decode(self.details.body)
        return self.details.body.encode()

    @property
    def text(self) -> str:
        """Return the body as text; bytes that are no UTF-8 become signs of replacement."""
        return self.body.decode(errors="replace")

    @property
    def hex(self) -> str:
        """Return the body as lines of 16 bytes: offset, hexadecimal digits, printable characters."""
        lines = [_hex_line(self.body, place) for place in range(0, min(len(self.body), _MOST_BYTES), 16)]
        return "\n".join([*lines, *(["…"] if len(self.body) > _MOST_BYTES else [])])


def _hex_line(body: bytes, place: int) -> str:
    part = body[place : place + 16]
    letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
    return f"{place:06x}  {part.hex(' '):47}  {letters}"


@dataclass(frozen=True)
class MessageRequest:
    """The request that a message would be sent with now."""

    seq: int
    preview: RequestPreview

    @property
    def command(self) -> str:
        """Return a command of the shell that sends the request; empty if there is no request."""
        return " \\\n  ".join(_curl(self.preview)) if self.preview.url else ""


def _curl(preview: RequestPreview) -> Iterator[str]:
    """Yield the parts of a command that sends a request. Hidden values become variables of the shell."""
    yield f"curl -X {shlex.quote(preview.method or 'POST')} {shlex.quote(preview.url or '')}"
    for name, value in preview.headers.items():
        if name not in _MADE:
            variable = _NOT_LETTERS.sub("_", name.upper())
            is_hidden = _HIDDEN in value
            yield f'-H "{name}: ${variable}"' if is_hidden else f"-H {shlex.quote(f'{name}: {value}')}"
    if preview.body:
        yield f"--data-binary {shlex.quote(preview.body)}"
