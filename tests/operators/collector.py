"""A collector of spans on a socket: it takes OTLP over HTTP, in threads of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Taken:
    """A span as it came. Ids in hex; `parent`: empty where it is a root; times in epoch seconds."""

    trace: str
    id: str
    parent: str
    name: str
    kind: int
    began: float
    ended: float
    attributes: dict[str, Any]
    problem: str
    resource: dict[str, Any]


@dataclass
class Collector:
    """`status`: what it answers; `hanging`: no answer while it is set. `bodies`: all that was sent to it."""

    endpoint: str = ""
    status: int = 200
    hanging: Event = field(default_factory=Event)
    spans: list[Taken] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        self.bodies.append(body)
        self.spans += read_spans(body)

    def named(self, name: str) -> list[Taken]:
        return [span for span in self.spans if span.name == name]

    def until(self, *names: str, seconds: float = 10.0) -> None:
        """Wait until there is a span of each name. Blocks."""
        end = monotonic() + seconds
        while missing := [name for name in names if not self.named(name)]:
            if monotonic() > end:
                raise TimeoutError(f"{missing} not among {sorted({span.name for span in self.spans})}")
            sleep(0.02)


def read_spans(body: bytes) -> list[Taken]:
    """The spans of one request."""
    request = ExportTraceServiceRequest.FromString(body)
    return [
        Taken(
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.name,
            int(span.kind),
            span.start_time_unix_nano / 1e9,
            span.end_time_unix_nano / 1e9,
            _values(span.attributes),
            span.status.message if span.status.code == 2 else "",
            _values(group.resource.attributes),
        )
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@contextmanager
def collector() -> Iterator[Collector]:
    """One that listens on a free port until the end of the block."""
    it = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            while it.hanging.is_set():
                sleep(0.02)
            if it.status == 200:
                it.take(body)
            self.send_response(it.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    it.endpoint = f"http://127.0.0.1:{server.server_port}/v1/traces"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield it
    finally:
        it.hanging.clear()
        server.shutdown()
        server.server_close()
        thread.join(5)
