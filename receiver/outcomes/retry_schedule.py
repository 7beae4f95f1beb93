"""When a message is sent again, and what a response to it means: Standard Webhooks 1.0.0."""

from typing import Literal

from receiver.domain.frozen_record import frozen_record
from receiver.domain.moments import read_retry_after
from receiver.outcomes.outbound import HttpResponse

DELAYS_S = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Seconds from each failed attempt to the next: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h."""

ATTEMPTS = len(DELAYS_S) + 1

JITTER = 0.2
"""Largest part of a delay that is added to it at random. A delay is never shortened."""

DISABLE_AFTER_S = 5 * 86_400.0
"""Seconds of failures in a row after which a subscription is disabled."""

_IN_A_ROW_S = 2 * 86_400.0
"""Failures that are further apart, in seconds, are not in a row: no delay is as long."""

SLOW_S, LONGEST_SLOW_S = 30.0, 3_600.0
"""Seconds of the pause after a response that asks for one, by default and at most."""

_OVERLOADED = (429, 502, 504)


@frozen_record(frozen=True, slots=True)
class AttemptResult:
    """The result of an attempt. `kind`: `dropped` if the subscriber is not interested, `unsendable` if no
    attempt can succeed, `gone` if the subscriber wants no more events. `problem`: text for people, None if
    delivered. `pause_s`: seconds for which nothing is sent to the subscription. `response`: None if none
    arrived.
    """

    kind: Literal["delivered", "dropped", "failed", "gone", "unsendable"]
    problem: str | None = None
    pause_s: float = 0.0
    response: HttpResponse | None = None


def judge(response: HttpResponse, now: float) -> AttemptResult:
    """Return what a response means. `now`: epoch seconds."""
    status = response.status
    if response.is_good:
        return AttemptResult("delivered", response=response)
    if response.problem:
        return AttemptResult("failed", f"answered {status}: {response.problem}", response=response)
    if status == 410:
        return AttemptResult("gone", "410: the subscriber wants no more events", response=response)
    if 300 <= status < 400:
        problem = f"{status}: redirects are not followed; set the URL that it leads to"
        return AttemptResult("failed", problem, response=response)
    pause_s = 0.0
    if status in _OVERLOADED or (status == 503 and response.retry_after):
        wanted = read_retry_after(response.retry_after, now)
        pause_s = min(max(SLOW_S if wanted is None else wanted, 1.0), LONGEST_SLOW_S)
    return AttemptResult("failed", f"answered {status}", pause_s, response)


def failing_since(since: float | None, last: float | None, now: float) -> float:
    """Return the first failure in a row that ends now. `since`, `last`: first and last failure before, if
    any.
    """
    if since is None or last is None or now - last > _IN_A_ROW_S:
        return now
    return since


def next_attempt(attempts: int, now: float, jitter: float) -> float | None:
    """Return the time of the next attempt after some failed ones, None after the last. `jitter`: 0 to 1."""
    if attempts >= ATTEMPTS:
        return None
    delay = DELAYS_S[attempts - 1]
    return now + delay * (1 + JITTER * jitter)
