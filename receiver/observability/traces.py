"""Spans: what was done for a task, when, and for how long. They are kept only where a collector is set."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Literal, Protocol

import structlog

from receiver.domain.frozen_record import shape
from receiver.domain.masking import mask_text
from receiver.errors import NotInstalledError
from receiver.observability.trace_ids import About, is_sampled, trace_id

_LACKING = "traces need OpenTelemetry: pip install 'receiver[traces]'"
_OPTIONAL = ("opentelemetry", "requests", "google")
_SUBJECT: ContextVar[About | None] = ContextVar("subject", default=None)

Value = str | int | float


@shape(frozen=True, slots=True)
class Span:
    """`id`: 16 hex digits; `began`, `ended`: epoch seconds; `problem`: why it failed, None if it did not.
    Attributes that are None are left out.
    """

    about: About
    id: str
    name: str
    kind: Literal["internal", "server", "client"]
    began: float
    ended: float
    attributes: Mapping[str, Value | None]
    problem: str | None = None

    def shown(self) -> dict[str, Value]:
        """All attributes, without phone numbers: a ref may be anything, all others are words and ids."""
        task = {
            "callback.account": self.about.account,
            "callback.ref": mask_text(self.about.ref) if self.about.ref else None,
            "callback.task_id": self.about.task_id,
        }
        return {name: value for name, value in {**task, **self.attributes}.items() if value is not None}

    def shown_problem(self) -> str | None:
        """The problem, without phone numbers."""
        return mask_text(self.problem) if self.problem else None


class Exporter(Protocol):
    """Takes spans to a collector, in a thread of its own."""

    def add(self, trace: str, span: Span) -> None: ...

    def probe(self) -> bool:
        """Whether the collector takes a request, which is empty. Blocks for seconds."""

    def close(self) -> None:
        """Hand over what waits, but for no longer than a moment. Blocks."""


class Traces:
    """Keeps a share of the traces, each whole. `endpoint`: of a collector that takes OTLP over HTTP. Raises
    NotInstalledError.
    """

    def __init__(self, endpoint: str, share: float = 1.0) -> None:
        self.share = share
        self._exporter = _exporter(endpoint)

    def keeps(self, about: About) -> bool:
        """Whether the task's spans are exported: to be asked where it costs more to make one."""
        return is_sampled(trace_id(about), self.share)

    def add(self, span: Span) -> None:
        """Export it if its trace is kept. Takes microseconds, whatever the collector does."""
        trace = trace_id(span.about)
        if is_sampled(trace, self.share):
            self._exporter.add(trace, span)

    async def probe(self) -> bool:
        """Whether the collector takes a request, which is empty."""
        return await asyncio.to_thread(self._exporter.probe)

    async def close(self) -> None:
        """Hand over what waits, but for no longer than a moment."""
        await asyncio.to_thread(self._exporter.close)


@contextmanager
def working_on(about: About) -> Iterator[None]:
    """What is logged meanwhile names the task's trace, and what the scheduler is asked belongs to it."""
    token = _SUBJECT.set(about)
    try:
        with structlog.contextvars.bound_contextvars(trace_id=trace_id(about)):
            yield
    finally:
        _SUBJECT.reset(token)


def subject() -> About | None:
    """The task that is worked on."""
    return _SUBJECT.get()


def _exporter(endpoint: str) -> Exporter:
    try:
        otlp = import_module("receiver.observability.otlp")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _OPTIONAL:
            raise
        raise NotInstalledError(_LACKING) from None
    exporter: Exporter = otlp.OtlpExporter(endpoint)
    return exporter
