"""What is handed to a format: the event, for whom, and the way to send it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from receiver.outcomes import subscription_filter


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where and how outcomes are sent. `secrets`: those that sign now, the newest first; `options`: of the
    format. `rate`: deliveries per second, None: as many as there are.
    """

    id: str
    url: str
    secrets: Sequence[str]
    format: subscription_filter.Format = "standard"
    options: Mapping[str, Any] = field(default_factory=dict)
    is_ordered: bool = True
    rate: float | None = None
    concurrency: int = 4


def read_subscription(row: Any, now: float) -> Subscription:
    """A row of `subscription` as the sender takes it."""
    return Subscription(
        id=row.id,
        url=row.url,
        secrets=[each["secret"] for each in row.secrets if each["until"] is None or each["until"] > now],
        format=row.format,
        options=row.options,
        is_ordered=row.order == "task",
        rate=row.rate,
        concurrency=row.concurrency,
    )


Keep = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Returns once it is on disk. Raises StoreUnavailableError."""


async def _keep_nothing(_kept: Mapping[str, Any]) -> None:
    """For formats that send a single request."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One event to be sent. `at`: what it is about; `sent_at`: of this attempt; epoch seconds, UTC. `data`:
    see `receiver.outcomes.events.describe`. `attempt`: 1 for the first. `traceparent`: the header by which a
    subscriber's own trace joins the task's. `is_replay`: somebody wants it to be sent again. `kept`: what the
    format has kept in earlier attempts; `keep`: keeps something from now on, in a transaction of its own.
    """

    id: str
    type: str
    at: float
    data: Mapping[str, Any]
    subscription: Subscription
    sent_at: float
    attempt: int = 1
    traceparent: str | None = None
    is_replay: bool = False
    kept: Mapping[str, Any] = field(default_factory=dict)
    keep: Keep = _keep_nothing


@dataclass(frozen=True, slots=True)
class Posted:
    """One HTTP request."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `text`: its beginning. `problem`: why it is none that is good, though its status says
    so; `is_done`: it is good, though its status does not say so.
    """

    status: int
    text: str = ""
    retry_after: str | None = None
    problem: str | None = None
    is_done: bool = False

    @property
    def is_good(self) -> bool:
        return self.is_done or (200 <= self.status < 300 and self.problem is None)


Post = Callable[[Posted], Awaitable[Answer]]
"""Sends a request. Raises httpx2.HTTPError, or TimeoutError, where there is no answer."""


class Format(Protocol):
    """A way to tell an event."""

    async def send(self, letter: Letter, post: Post) -> Answer | None:
        """The subscriber's answer; None where this event is nothing for it. Raises what `post` and the
        letter's `keep` raise, FormatError where the subscription's options make no sense of this event, and
        UnsendableError where no options would.
        """


class FormatError(Exception):
    """The event cannot be put into the subscription's format. The text says which option to mend."""


class UnsendableError(FormatError):
    """This event can never be put into the subscription's format, however often it is tried."""
