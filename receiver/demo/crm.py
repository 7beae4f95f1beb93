"""A sample CRM, which does all that a subscriber of outcomes must do. It shares no code with the sender.

It accepts a delivery only by its signature, stores each event once by its `webhook-id`, and answers 2xx once
the event is stored. On demand it answers badly the first time, as CRMs do.
"""

import asyncio
import base64
import hmac
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from random import Random
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TOLERANCE_S = 300.0
"""Most seconds between the signature of a delivery and now; older ones may be replayed by an attacker."""

BAD_ANSWERS = ("500", "503", "time-out")
"""500 and 503 (with Retry-After) before the event is stored; a time-out after it, so it is sent again."""

_PAUSE_S = 5


def is_genuine(
    secret: str, headers: Mapping[str, str], body: bytes, now: float, tolerance_s: float = TOLERANCE_S
) -> bool:
    """Return whether the signature is right and recent: `v1` of Standard Webhooks 1.0.0."""
    event, sent_at, given = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (sent_at.isascii() and sent_at.isdigit()) or abs(now - int(sent_at)) > tolerance_s:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{event}.{sent_at}.".encode() + body, "sha256")
    expected = b"v1," + base64.b64encode(digest)
    # While a secret rotates there are several signatures.
    return any(hmac.compare_digest(expected, signature.encode()) for signature in given.split(" "))


class SampleCrm:
    """`events`: stored events by webhook-id, in order of arrival. `requests`: requests by event. `repeated`:
    requests by event after it was stored. `bad_answers`: by kind.

    `now`: the clock of signatures. `failures`: share (0…1) of first attempts that are answered badly, drawn
    from the seed and the event's id.
    """

    def __init__(
        self,
        secret: str,
        now: Callable[[], float],
        *,
        tolerance_s: float = TOLERANCE_S,
        failures: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.requests: Counter[str] = Counter()
        self.repeated: Counter[str] = Counter()
        self.bad_answers: Counter[str] = Counter()
        self.refused = 0
        self.secret = secret
        self._now = now
        self._tolerance_s = tolerance_s
        self._failures = failures
        self._seed = seed

    async def take(self, request: Request) -> Response:
        """Answer one delivery."""
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response(status_code=400)  # the sender has gone
        if not is_genuine(self.secret, request.headers, body, self._now(), self._tolerance_s):
            self.refused += 1
            return JSONResponse({"error": "the signature is wrong or too old"}, 401)
        event = request.headers["webhook-id"]
        self.requests[event] += 1
        bad = self._draw(event) if self.requests[event] == 1 else None
        if bad is None or bad == "time-out":
            self._keep(event, body)
        return await self._answer(bad, request)

    def _draw(self, event: str) -> str | None:
        rng = Random(f"crm:{self._seed}:{event}")
        return rng.choice(BAD_ANSWERS) if rng.random() < self._failures else None

    def _keep(self, event: str, body: bytes) -> None:
        if event in self.events:
            self.repeated[event] += 1
        else:
            self.events[event] = json.loads(body)

    async def _answer(self, bad: str | None, request: Request) -> Response:
        if bad is None:
            return Response(status_code=204)
        self.bad_answers[bad] += 1
        if bad == "time-out":
            # Until the sender gives up.
            while (await request.receive())["type"] != "http.disconnect":
                pass
            return Response(status_code=204)  # the sender has gone
        pause = {"Retry-After": str(_PAUSE_S)} if bad == "503" else None
        return JSONResponse({"error": "a failure on demand"}, int(bad), pause)


@asynccontextmanager
async def serving(crm: SampleCrm) -> AsyncIterator[str]:
    """Serve it on a free port until the end of the block. Yields the URL to subscribe."""
    sock = socket.create_server(("127.0.0.1", 0))
    app = Starlette(routes=[Route("/outcomes", crm.take, methods=["POST"])])
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        await server.ready.wait()
        yield f"http://127.0.0.1:{sock.getsockname()[1]}/outcomes"
    finally:
        server.should_exit = True
        await running


class _Server(uvicorn.Server):
    """Sets `ready` when it accepts requests, and leaves signals to its owner."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
