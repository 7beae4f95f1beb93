"""How a hook's body gets broken on its way."""

import zlib
from dataclasses import replace
from typing import assert_never

from receiver.emulator.faults import Breakage
from receiver.emulator.writing import FORM, JSON, LINES, Wire


def break_body(wire: Wire, breakage: Breakage) -> Wire:
    """The same request with a body that cannot be read as what it says it is.

    A form cut short would still be a form, with a value that is wrong and looks right; so only structured
    bodies are cut, and forms (also those of lines) are garbled instead.
    """
    match breakage:
        case "truncated" if wire.content_type not in (FORM, LINES):
            return replace(wire, body=wire.body[: len(wire.body) * 3 // 5])
        case "truncated" | "garbled":
            return replace(wire, body=_unannounced_compression(wire.body))
        case "mislabelled":
            return replace(wire, content_type=FORM if wire.content_type == JSON else JSON)
        case _:
            assert_never(breakage)


def _unannounced_compression(body: bytes) -> bytes:
    """Deflated, cut short and with no Content-Encoding: bytes that mean nothing."""
    return zlib.compress(body)[:-4]
