"""A scheduler whose answers get lost: what it was told it has done all the same."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Scripted:
    """`silent`: creations are done and not answered, and lists fail from then on: `unlisted` is set."""

    url: str = ""
    silent: bool = False
    unlisted: bool = False
    tasks: list[dict[str, Any]] = field(default_factory=list)

    def create(self, wishes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        now = {"status": "scheduled", "scheduler_id": "5", "create_date_utc": "2026-03-01 09:30:00"}
        new = [wish | now | {"id": 100 + len(self.tasks) + number} for number, wish in enumerate(wishes)]
        self.tasks += new
        return new

    def listed(self, query: str) -> list[dict[str, Any]]:
        return self.tasks if parse_qs(query).get("page", ["1"]) == ["1"] else []


@contextmanager
def scripted() -> Iterator[Scripted]:
    """A scripted scheduler behind a socket, until the end of the block."""
    scheduler = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path.startswith("/oauth"):
                self._answer(200, {"access_token": "t", "token_type": "Bearer", "expires_in": 3600})
                return
            created = scheduler.create(json.loads(body)["tasks"])
            if scheduler.silent:
                scheduler.unlisted = True
            else:
                self._answer(201, created)

        def do_GET(self) -> None:
            if scheduler.unlisted:
                self._answer(503, {"message": "scripted"})
            else:
                self._answer(200, scheduler.listed(urlsplit(self.path).query))

        def _answer(self, status: int, content: Any) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    scheduler.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield scheduler
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
