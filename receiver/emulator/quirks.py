"""Permanent differences between an account's API and the documented API."""

from collections.abc import Collection

from receiver.emulator.rng import rng_for

QuirkName = str
"""A key of `QUIRKS`."""

QUIRKS: dict[QuirkName, str] = {
    "expired_403": "a token that has expired is refused with 403",
    "no_expires_in": "tokens come without expires_in",
    "text_expires_in": "expires_in is a string",
    "zero_expires_in": "expires_in is 0",
    "negative_expires_in": "expires_in is negative",
    "no_call_history": "call history is refused with 403",
    "slash_redirects": "paths without a final slash are redirected",
    "newest_first": "lists begin with the newest task",
    "capped_lists": "lists end after 100 tasks, whatever page is requested",
    "small_pages": "a page of a list has at most 20 tasks, whatever size is requested",
    "page_ignored": "every page of a list is the first, with at most 20 tasks",
    "shifting_lists": "a finished task moves to the end of its list, also between two pages",
    "no_urls_in_lists": "lists do not show the URLs of tasks",
    "capitals": "a task's status is capitalized and its result in upper case",
    "zero_pause": "answers show a pause of 0 for every task; the real pause is unchanged",
    "no_pause": "the pause of every task is 0: attempts follow immediately",
}
"""Quirk → description."""

Quirks = frozenset[QuirkName]

REDIRECTS = (301, 302, 307, 308)


def quirks_of(account: str, named: Collection[QuirkName], share: float, seed: int) -> Quirks:
    """Return the named quirks, and each other quirk with the probability `share`."""
    rng = rng_for(seed, "quirks", account)
    drawn = [name for name in QUIRKS if rng.random() < share]
    return frozenset(named).union(drawn)


def expires_in(quirks: Quirks, seconds: float) -> dict[str, object]:
    """Return the field of a token's answer with its lifetime."""
    odd: dict[QuirkName, object] = {
        "text_expires_in": str(int(seconds)),
        "zero_expires_in": 0,
        "negative_expires_in": -1,
    }
    if "no_expires_in" in quirks:
        return {}
    return {"expires_in": next((odd[name] for name in odd if name in quirks), int(seconds))}
