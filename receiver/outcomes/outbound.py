"""The event that a format gets, the requests that it makes of it, the responses, and what they mean.

A format is a generator: it yields each request, is resumed with the response, and returns the last one. The
caller sends the requests, so that a format does no input or output of its own.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from receiver.domain.frozen_record import frozen_record
from receiver.domain.moments import read_retry_after
from receiver.errors import ErrorKind
from receiver.outcomes.subscription import Subscription

SLOW_S, LONGEST_SLOW_S = 30.0, 3_600.0
"""Seconds of the pause after a response that asks for one, by default and at most."""

_OVERLOADED = (429, 502, 504)


@dataclass(frozen=True, slots=True)
class OutboundEvent:
    """An event to be delivered. `at`: time of the event; `sent_at`: start of this attempt; epoch seconds,
    UTC. `data`: see `receiver.outcomes.events.describe`. `is_resent`: it may have been delivered before.
    `progress`: saved by the format in earlier attempts.
    """

    id: str
    type: str
    at: float
    data: Mapping[str, Any]
    subscription: Subscription
    sent_at: float
    is_resent: bool = False
    progress: Mapping[str, Any] = field(default_factory=dict)

    def option(self, name: str, default: Any = None) -> Any:
        """Return an option of the subscription's format."""
        return self.subscription.options.get(name, default)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request. `progress`: saved with the message before the request is sent, for a later attempt."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    method: str = "POST"
    progress: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response. `text`: its beginning. `problem`: why it is a failure in spite of its status. `is_done`: it
    is a success in spite of its status.
    """

    status: int
    text: str = ""
    retry_after: str | None = None
    problem: str | None = None
    is_done: bool = False

    @property
    def is_good(self) -> bool:
        return self.is_done or (200 <= self.status < 300 and self.problem is None)


@frozen_record
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


Exchange = Generator[HttpRequest, HttpResponse, HttpResponse | None]
"""The requests of a format. It returns None if its vendor is not interested in the event."""

Steps = Generator[HttpRequest, HttpResponse, HttpResponse]
"""A part of an exchange, which always returns a response."""

Format = Callable[[OutboundEvent], Exchange]
"""Raises FormatError if the subscription's options do not fit, UnsendableError if no options would."""


def advance(exchange: Exchange, response: HttpResponse | None) -> HttpRequest | HttpResponse | None:
    """Resume an exchange with a response (None: start it). Return the next request, or its result."""
    try:
        return exchange.send(response)  # type: ignore[arg-type]  # a generator starts with None
    except StopIteration as end:
        result: HttpResponse | None = end.value
        return result


class FormatError(Exception):
    """The event cannot be put into the subscription's format. The text names the option to correct; `kind`:
    what is wrong with it, for pages.
    """

    def __init__(self, text: str, kind: ErrorKind | None = None) -> None:
        super().__init__(text)
        self.kind = kind


class UnsendableError(FormatError):
    """The event can never be put into the subscription's format."""
