"""The text of an error about an unknown name: the name that was probably meant, and the known names."""

from collections.abc import Iterable
from difflib import get_close_matches

_SHOWN = 20
"""Known names that an error lists at most."""


def unknown_name(kind: str, given: str, known: Iterable[str]) -> str:
    """Return the text of an error about a name that is not known. `kind`: a noun, such as `queue`."""
    names = sorted(set(known))
    if not names:
        return f"there is no {kind} '{given}', nor any other"
    by_lower = {name.lower(): name for name in reversed(names)}
    near = get_close_matches(given.lower(), by_lower, 1)
    meant = f"; did you mean '{by_lower[near[0]]}'?" if near else ";"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"there is no {kind} '{given}'{meant} known: {', '.join(names[:_SHOWN])}{more}"
