"""Cursors: where in an ordered list the next page begins. Opaque to callers."""

import base64
import json
import math
from collections.abc import Sequence

from receiver.errors import InputError

Position = tuple[float | str, ...]
"""The values of the last row that was shown, in the columns of the order: a moment, then names."""


def encode(position: Sequence[float | str]) -> str:
    """The position as URL-safe text."""
    return base64.urlsafe_b64encode(json.dumps(list(position)).encode()).decode().rstrip("=")


def decode(cursor: str, columns: int) -> Position:
    """The inverse of `encode`. Raises InputError for anything that it did not make for so many columns."""
    try:
        at, *names = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        # Half a surrogate pair, which no row has, does not get as far as the store.
        fits = len(names) == columns - 1 and all(name.encode() for name in names)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise _wrong() from None
    if not (fits and isinstance(at, float) and math.isfinite(at)):
        raise _wrong()
    return (at, *names)


def _wrong() -> InputError:
    return InputError("cursor", "take next_cursor from the answer before, unchanged, or leave it out")
