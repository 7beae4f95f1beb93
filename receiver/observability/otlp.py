"""Spans on their way to a collector, by OpenTelemetry's SDK: imported only where there is one.

The SDK's own variables hold here too: `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_BSP_…`, `OTEL_RESOURCE_ATTRIBUTES`.
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
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from receiver.observability.trace_ids import root_span
from receiver.observability.traces import Span

_log = structlog.get_logger("receiver.traces")

_CLOSE_S = 2.0
"""So long a stop waits for the collector to take what is left."""

_QUIET_S = 60.0
"""At most one line in that time about a collector that takes nothing."""

_KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class OtlpExporter:
    """Hands spans over in batches, in a thread. Too many that wait push out the oldest."""

    def __init__(self, endpoint: str) -> None:
        # The SDK logs each failure, and each span that is pushed out.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._exporter = OTLPSpanExporter(endpoint=endpoint)
        host = urlsplit(endpoint).hostname or ""
        self._processor = BatchSpanProcessor(_Telling(self._exporter, host))
        us = {"service.version": version("receiver"), "service.instance.id": _instance()}
        self._resource = Resource.create({"service.name": "receiver", **us})
        self._scope = InstrumentationScope("receiver", version("receiver"))

    def add(self, trace: str, span: Span) -> None:
        root, problem = root_span(trace), span.shown_problem()
        self._processor.on_end(
            ReadableSpan(
                span.name,
                _context(trace, span.id),
                None if span.id == root else _context(trace, root, is_remote=True),
                self._resource,
                span.shown(),
                kind=_KINDS[span.kind],
                status=Status(StatusCode.ERROR, problem) if problem else Status(),
                start_time=_nanoseconds(span.began),
                end_time=_nanoseconds(max(span.began, span.ended)),
                instrumentation_scope=self._scope,
            )
        )

    def probe(self) -> bool:
        return self._exporter.export([]) is SpanExportResult.SUCCESS

    def close(self) -> None:
        # The SDK waits for its thread for longer than we want to; a thread of this kind holds up no exit.
        closing = Thread(target=self._processor.shutdown, name="traces-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)
        # Whatever is still to be tried again is given up.
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class _Telling(SpanExporter):
    """Tells of what was lost, now and then. `collector`: for people."""

    def __init__(self, exporter: SpanExporter, collector: str) -> None:
        self._exporter = exporter
        self._collector = collector
        self._lost = 0
        self._quiet_until = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            if time.monotonic() >= self._quiet_until:
                _log.warning(
                    "spans are lost: the collector takes none", host=self._collector, lost=self._lost
                )
                self._quiet_until = time.monotonic() + _QUIET_S
                self._lost = 0
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _context(trace: str, span: str, is_remote: bool = False) -> SpanContext:
    return SpanContext(int(trace, 16), int(span, 16), is_remote, _SAMPLED)


def _nanoseconds(at: float) -> int:
    return round(at * 1e9)


def _instance() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
