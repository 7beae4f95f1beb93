"""A task is a trace: its id follows from the task's name, so that whoever handles the task can tell it, and
nobody has to store it or hand it on.

A task is named by our ref, or by the vendor's id as long as no ref is known. A hook that names only the
vendor's id may come before the two are linked: then it is in another trace.
"""

from hashlib import blake2b
from typing import NamedTuple, Protocol

_RANDOM_DIGITS = 14
"""The last hex digits of a trace id, by which W3C Trace Context and OpenTelemetry decide what is sampled."""

_ALL: int = 16**_RANDOM_DIGITS


class About(Protocol):
    """Whatever is about one task."""

    @property
    def account(self) -> str: ...
    @property
    def ref(self) -> str | None: ...
    @property
    def task_id(self) -> str | None: ...


class TaskName(NamedTuple):
    """A task and nothing else."""

    account: str
    ref: str | None
    task_id: str | None = None


def trace_id(about: About) -> str:
    """The task's trace: 32 hex digits."""
    # "/" can stand in no account and "#" in no ref, so no two names make the same text.
    name = about.ref or f"#{about.task_id}"
    return blake2b(f"{about.account}/{name}".encode(), digest_size=16).hexdigest()


def root_span(trace: str) -> str:
    """The id of the span that is the whole task: 16 hex digits. All its others are below it."""
    return trace[:16]


def span_id(*what: object) -> str:
    """The id of a span, made of what only this one has: 16 hex digits."""
    return blake2b("/".join(map(str, what)).encode(), digest_size=8).hexdigest()


def is_sampled(trace: str, share: float) -> bool:
    """Whether the trace belongs to this share of all: the same answer wherever the same rule is kept."""
    return int(trace[-_RANDOM_DIGITS:], 16) >= round((1 - share) * _ALL)


def traceparent(trace: str, span: str, sampled: bool) -> str:
    """The header of W3C Trace Context. `span`: the sender's own, of which the receiver's will be a child."""
    return f"00-{trace}-{span}-{int(sampled):02x}"
