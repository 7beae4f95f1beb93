"""The export of spans: a share of all traces, each whole. Without a collector nothing is exported."""

import asyncio

from receiver.errors import NotInstalledError
from receiver.observability.spans import Span
from receiver.observability.trace_ids import TaskIdentity, is_sampled, trace_id

_NOT_INSTALLED = "traces need OpenTelemetry: pip install 'receiver[traces]'"
_OPTIONAL = ("opentelemetry", "requests", "google")


class Traces:
    """Exports the spans of a share of all traces to a collector of OTLP over HTTP at `endpoint`.

    Raises NotInstalledError.
    """

    def __init__(self, endpoint: str, share: float = 1.0) -> None:
        try:
            from receiver.observability.otlp import OtlpExporter  # noqa: PLC0415 -- an extra
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in _OPTIONAL:
                raise
            raise NotInstalledError(_NOT_INSTALLED) from None
        self.share = share
        self._exporter = OtlpExporter(endpoint)

    def includes(self, task: TaskIdentity) -> bool:
        """Return whether the task's spans are exported. Ask before making a span that is costly."""
        return is_sampled(trace_id(task), self.share)

    def add(self, span: Span) -> None:
        """Queue the span for export if its trace is sampled. Never waits for the collector."""
        trace = trace_id(span.task)
        if is_sampled(trace, self.share):
            self._exporter.add(trace, span)

    async def probe(self) -> bool:
        """Return whether the collector accepts an empty request."""
        return await asyncio.to_thread(self._exporter.probe)

    async def close(self) -> None:
        """Export the queued spans, for at most 2 s."""
        await asyncio.to_thread(self._exporter.close)
