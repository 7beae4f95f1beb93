"""Cursors: where in an ordered list the next page begins. Opaque to callers."""

import base64
import json
import math
from collections.abc import Sequence

from receiver.errors import InputError

Position = tuple[float | str | int, ...]
"""The values of the last row that was shown, in the columns of the order: a moment, then names or numbers."""


def encode(position: Sequence[float | str | int]) -> str:
    """The position as URL-safe text."""
    return base64.urlsafe_b64encode(json.dumps(list(position)).encode()).decode().rstrip("=")


def decode(cursor: str, kinds: Sequence[type]) -> Position:
    """The inverse of `encode`. Raises InputError for what it did not make for columns of these kinds."""
    try:
        values = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        fits = [type(value) for value in values] == list(kinds) and all(map(_is_storable, values))
    except (ValueError, TypeError, RecursionError):
        raise _wrong() from None
    if not fits:
        raise _wrong()
    return tuple(values)


def _is_storable(value: object) -> bool:
    """Half a surrogate pair, a zero byte, which no row has, or a number beyond all does not get as far as the
    store. Raises ValueError for the first.
    """
    if isinstance(value, str):
        return b"\x00" not in value.encode()
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) < 2**62


def _wrong() -> InputError:
    return InputError("cursor", "take next_cursor from the answer before, unchanged, or leave it out")
