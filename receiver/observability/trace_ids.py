"""Ids of traces and spans. A task is a trace; its id follows from the task's name and need not be stored.

A task is named by our ref, or by the vendor's id while no ref is known. A hook that names only the vendor's
id and comes before the two are linked is in another trace.
"""

from hashlib import blake2b
from typing import NamedTuple, Protocol

_RANDOM_DIGITS = 14
"""Last hex digits of a trace id, which decide on sampling in W3C Trace Context and OpenTelemetry."""

_ALL: int = 16**_RANDOM_DIGITS


class TaskIdentity(Protocol):
    """An object that names one task."""

    @property
    def account(self) -> str: ...
    @property
    def ref(self) -> str | None: ...
    @property
    def task_id(self) -> str | None: ...


class TaskName(NamedTuple):
    """A task's name."""

    account: str
    ref: str | None
    task_id: str | None = None


def trace_id(task: TaskIdentity) -> str:
    """Return the id of the task's trace: 32 hex digits."""
    # No account contains "/" and no ref contains "#", so two names never give the same text.
    name = task.ref or f"#{task.task_id}"
    return blake2b(f"{task.account}/{name}".encode(), digest_size=16).hexdigest()


def root_span(trace: str) -> str:
    """Return the id of the task's root span, the parent of all others: 16 hex digits."""
    return trace[:16]


def span_id(*key: object) -> str:
    """Return the id of a span with this unique key: 16 hex digits."""
    return blake2b("/".join(map(str, key)).encode(), digest_size=8).hexdigest()


def is_sampled(trace: str, share: float) -> bool:
    """Return whether the trace belongs to this share of all, by the rule of OpenTelemetry."""
    return int(trace[-_RANDOM_DIGITS:], 16) >= round((1 - share) * _ALL)


def traceparent(trace: str, span: str, sampled: bool) -> str:
    """Return the header of W3C Trace Context. `span`: the sender's span, the parent of the recipient's."""
    return f"00-{trace}-{span}-{int(sampled):02x}"
