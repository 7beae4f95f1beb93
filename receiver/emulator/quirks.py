"""How the API of an account differs from the one that is documented. A quirk holds for the account's life."""

from collections.abc import Collection
from typing import Literal

from receiver.emulator.chance import chance

QuirkName = Literal[
    "expired_403",
    "no_expires_in",
    "text_expires_in",
    "zero_expires_in",
    "negative_expires_in",
    "no_call_history",
    "slash_redirects",
    "newest_first",
    "capped_lists",
    "small_pages",
    "page_ignored",
    "shifting_lists",
    "no_urls_in_lists",
    "capitals",
    "zero_pause",
    "no_pause",
]

QUIRKS: dict[QuirkName, str] = {
    "expired_403": "a token that has expired is refused with 403",
    "no_expires_in": "tokens come without expires_in",
    "text_expires_in": "expires_in is a text",
    "zero_expires_in": "expires_in is 0",
    "negative_expires_in": "expires_in is negative",
    "no_call_history": "call history is refused with 403",
    "slash_redirects": "paths without a slash at their end are redirected",
    "newest_first": "lists begin with the newest task",
    "capped_lists": "lists end after 100 tasks, whatever page is asked for",
    "small_pages": "a page of a list has at most 20 tasks, whatever is asked for",
    "page_ignored": "every page of a list is the first, with at most 20 tasks",
    "shifting_lists": "a task that ends moves to the end of its list, also between two pages",
    "no_urls_in_lists": "lists do not show the URLs of tasks",
    "capitals": "status and result of a task are written with capitals",
    "zero_pause": "the pause of every task is told as 0, and kept all the same",
    "no_pause": "the pause of every task is 0: attempts follow each other at once",
}
"""Quirk → what it is."""

Quirks = frozenset[QuirkName]

REDIRECTS = (301, 302, 307, 308)


def quirks_of(account: str, named: Collection[QuirkName], share: float, seed: int) -> Quirks:
    """Those that are named, and each other one that heavy faults draw from with the probability `share`."""
    rng = chance(seed, "quirks", account)
    drawn = [name for name in QUIRKS if rng.random() < share]
    return frozenset(named).union(drawn)


def expires_in(quirks: Quirks, seconds: float) -> dict[str, object]:
    """What an answer with a token says about its life."""
    told: dict[QuirkName, object] = {
        "text_expires_in": str(int(seconds)),
        "zero_expires_in": 0,
        "negative_expires_in": -1,
    }
    if "no_expires_in" in quirks:
        return {}
    return {"expires_in": next((told[name] for name in told if name in quirks), int(seconds))}
