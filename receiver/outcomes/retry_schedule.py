"""When a message is tried again, and what an answer to it means: Standard Webhooks 1.0.0."""

from typing import Literal

from receiver.domain.frozen_record import shape
from receiver.domain.moments import read_retry_after

DELAYS_S = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Seconds from each failed attempt to the next: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h."""

ATTEMPTS = len(DELAYS_S) + 1

JITTER = 0.2
"""At most so much of a delay is added to it; nothing is ever taken away."""

DISABLE_AFTER_S = 5 * 86_400.0
"""A subscription to which nothing was delivered for so long, and something failed, is disabled."""

_IN_A_ROW_S = 2 * 86_400.0
"""Failures further apart than that are not in a row: no delay is as long, so nothing was tried in between."""

SLOW_S, LONGEST_SLOW_S = 30.0, 3_600.0
"""The pause after an answer that says "too much", and the longest that a subscriber may ask for."""

_TOO_MUCH = (429, 502, 504)

Kind = Literal["delivered", "failed", "gone", "never"]
"""`never`: no attempt can be more successful."""


@shape(frozen=True, slots=True)
class Verdict:
    """What came of one attempt. `problem`: for people, None if delivered. `slow_s`: leave the whole
    subscription alone for so many seconds.
    """

    kind: Kind
    problem: str | None = None
    slow_s: float = 0.0


def judge_answer(status: int, retry_after: str | None, now: float) -> Verdict:
    """What an answer means. `retry_after`: the header; `now`: epoch seconds."""
    if 200 <= status < 300:
        return Verdict("delivered")
    if status == 410:
        return Verdict("gone", "410: the subscriber wants no more")
    if 300 <= status < 400:
        return Verdict("failed", f"{status}: redirects are not followed; set the URL that it leads to")
    slow_s = 0.0
    if status in _TOO_MUCH or (status == 503 and retry_after):
        asked = read_retry_after(retry_after, now)
        slow_s = min(max(SLOW_S if asked is None else asked, 1.0), LONGEST_SLOW_S)
    return Verdict("failed", f"answered {status}", slow_s)


def failing_since(since: float | None, last: float | None, now: float) -> float:
    """Since when a subscription has failed in a row, with a failure now. `since`, `last`: the first failure
    and the last one before, None where there was none.
    """
    if since is None or last is None or now - last > _IN_A_ROW_S:
        return now
    return since


def next_attempt(attempts: int, now: float, luck: float) -> float | None:
    """When to try again after so many failed attempts; None: no more. `luck`: evenly from 0 to 1."""
    if attempts >= ATTEMPTS:
        return None
    delay = DELAYS_S[attempts - 1]
    return now + delay * (1 + JITTER * luck)
