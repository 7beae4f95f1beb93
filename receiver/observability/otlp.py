"""Export of spans to a collector by OTLP over HTTP. Imported only if a collector is set.

The SDK's own variables apply: `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_BSP_…`, `OTEL_RESOURCE_ATTRIBUTES`.
"""

import logging
import os
import socket
import time
from collections.abc import Sequence
from importlib.metadata import version
from threading import Thread
from urllib.parse import urlsplit

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context
from opentelemetry.trace.status import StatusCode

from receiver.observability.spans import Span
from receiver.observability.trace_ids import root_span

_log = structlog.get_logger("receiver.traces")

_CLOSE_S = 2.0
"""Seconds that a stop waits for the collector to accept the queued spans."""

_WARNING_INTERVAL_S = 60.0
"""Seconds between two warnings about a collector that accepts no spans."""

_KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class OtlpExporter:
    """Exports spans in batches, in a thread. If too many are queued, the oldest are dropped."""

    def __init__(self, endpoint: str) -> None:
        # The SDK logs every failure and every span that is dropped.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._exporter = OTLPSpanExporter(endpoint=endpoint)
        self._ids = _TaskIds()
        instance = f"{socket.gethostname()}:{os.getpid()}"
        service = {
            "service.name": "receiver",
            "service.version": version("receiver"),
            "service.instance.id": instance,
        }
        # `Traces` samples; the SDK exports every span that it is given.
        self._provider = TracerProvider(
            ALWAYS_ON, Resource.create(service), shutdown_on_exit=False, id_generator=self._ids
        )
        host = urlsplit(endpoint).hostname or ""
        self._provider.add_span_processor(BatchSpanProcessor(_LossLogger(self._exporter, host)))
        self._tracer = self._provider.get_tracer("receiver", version("receiver"))

    def add(self, trace: str, span: Span) -> None:
        """Queue a span. Call it in one thread only, as it sets the ids of the next span."""
        root = root_span(trace)
        self._ids.trace, self._ids.span = int(trace, 16), int(span.id, 16)
        started = self._tracer.start_span(
            span.name,
            Context() if span.id == root else _child_of(self._ids.trace, int(root, 16)),
            _KINDS[span.kind],
            span.masked_attributes(),
            start_time=_nanoseconds(span.began),
        )
        if problem := span.masked_problem():
            started.set_status(StatusCode.ERROR, problem)
        started.end(_nanoseconds(max(span.began, span.ended)))

    def probe(self) -> bool:
        """Return whether the collector accepts an empty request. Blocks for seconds."""
        return self._exporter.export([]) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """Export the queued spans, for at most 2 s. Blocks."""
        # The SDK waits longer for its thread; a daemon thread does not delay the exit of the process.
        closing = Thread(target=self._provider.shutdown, name="traces-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)
        # Retries are given up.
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class _TaskIds(IdGenerator):
    """Gives the next span the ids that follow from its task."""

    trace = span = 0

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        return self.span


class _LossLogger(SpanExporter):
    """Logs lost spans, at most once a minute. `collector`: its host."""

    def __init__(self, exporter: SpanExporter, collector: str) -> None:
        self._exporter = exporter
        self._collector = collector
        self._lost = 0
        self._next_warning_at = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            if time.monotonic() >= self._next_warning_at:
                _log.warning(
                    "spans are lost: the collector takes none", host=self._collector, lost=self._lost
                )
                self._next_warning_at = time.monotonic() + _WARNING_INTERVAL_S
                self._lost = 0
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _child_of(trace: int, root: int) -> Context:
    parent = SpanContext(trace, root, is_remote=True, trace_flags=_SAMPLED)
    return set_span_in_context(NonRecordingSpan(parent), Context())


def _nanoseconds(at: float) -> int:
    return round(at * 1e9)
