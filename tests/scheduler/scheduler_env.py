"""A scripted scheduler and a clock that tests move: what they answer is all in the test."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from receiver.observability.metrics import Metrics
from receiver.scheduler.account import SchedulerAccount
from receiver.scheduler.wire import NewTask

NOW = 1_700_000_000.0
SECRET = "very-secret"
ACCOUNT = SchedulerAccount(
    name="main",
    base_url="http://scheduler.test/api/ver1.0/",
    client_id="@me",
    oauth_client_id="app",
    oauth_client_secret=SECRET,
    timeout=1.0,
)
QUEUES = "/api/ver1.0/client/@me/task_scheduler/"
QUEUE = f"{QUEUES}7"
TASKS = f"{QUEUE}/task/"
CREATE = f"{QUEUE}/tasks/"
TOKEN = "/oauth/token"


class SteppedClock:
    """Moves only when somebody sleeps or a test says so; keeps what was slept."""

    def __init__(self) -> None:
        self.time = NOW
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)

    def real(self, seconds: float) -> float:
        return seconds


def outcomes(metrics: Metrics, operation: str) -> dict[str, int]:
    """Return how many requests of an operation ended with which outcome. None took less than no time."""
    counted: dict[str, int] = {}
    for sample in (sample for family in metrics.registry.collect() for sample in family.samples):
        if sample.labels.get("operation") == operation:
            assert sample.value >= 0
            if sample.name == "callback_scheduler_api_requests_total":
                counted[sample.labels["outcome"]] = int(sample.value)
    return counted


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Reply = Response | Exception | Callable[[Seen], Response]


def reply(body: Any = None, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(body, status, headers)


def lost() -> Exception:
    """The connection breaks before the answer."""
    return httpx2.ReadError("lost")


def unsent() -> Exception:
    """The connection never came about."""
    return httpx2.ConnectError("refused")


@dataclass
class Script:
    """Answers by (method, path): each reply once, in order; the last one for ever."""

    replies: dict[tuple[str, str], list[Reply]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    tokens: int = 0

    def on(self, method: str, path: str, *replies: Reply) -> None:
        self.replies[method, path] = list(replies)

    def asked(self, method: str, path: str) -> list[Seen]:
        return [seen for seen in self.seen if (seen.method, seen.path) == (method, path)]

    @property
    def app(self) -> Starlette:
        methods = ["GET", "POST", "PUT", "DELETE"]
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=methods)])

    async def _answer(self, request: Request) -> Response:
        seen = Seen(
            request.method,
            request.url.path,
            dict(request.query_params),
            dict(request.headers),
            await request.body(),
        )
        self.seen.append(seen)
        await asyncio.sleep(0)
        queue = self.replies.get((seen.method, seen.path))
        if queue is None:
            return self._token() if seen.path == TOKEN else reply({"message": "no such script"}, 404)
        next_reply = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(next_reply, Exception):
            raise next_reply
        return next_reply if isinstance(next_reply, Response) else next_reply(seen)

    def _token(self) -> Response:
        self.tokens += 1
        return reply({"access_token": f"token-{self.tokens}", "token_type": "Bearer", "expires_in": 3600})


def new_task(n: int, **fields: Any) -> NewTask:
    urls = {f"url_{event}": f"https://hooks.test/{event}/r{n}" for event in ("before", "after")}
    return NewTask.model_validate(
        {"name": f"ref-{n}", "a_number": "101", "b_number": f"7900000{n:04}", **urls, **fields}
    )


@dataclass
class Store:
    """The tasks of queue 7 behind a script: creating and listing them, in pages."""

    script: Script
    tasks: list[dict[str, Any]] = field(default_factory=list)
    cap: int = 100
    hides_finished: bool = False

    def __post_init__(self) -> None:
        self.script.on("GET", TASKS, self.listed)
        self.script.on("POST", CREATE, self.create)

    def add(self, task: dict[str, Any]) -> dict[str, Any]:
        record = {"id": len(self.tasks) + 1, "status": "scheduled", **task}
        self.tasks.append(record)
        return record

    def create(self, seen: Seen) -> Response:
        return reply([self.add(task) for task in seen.json["tasks"]])

    def create_and_lose(self, seen: Seen) -> Response:
        self.create(seen)
        raise lost()

    def create_half_and_fail(self, seen: Seen) -> Response:
        sent = seen.json["tasks"]
        for task in sent[: len(sent) // 2]:
            self.add(task)
        return reply({"message": "oops"}, 500)

    def listed(self, seen: Seen) -> Response:
        shown = [t for t in self.tasks if not (self.hides_finished and t["status"] == "finished")]
        size = min(self.cap, int(seen.query["per_page"]))
        first = (int(seen.query["page"]) - 1) * size
        return reply(shown[first : first + size])

    @property
    def names(self) -> list[str]:
        return [task["name"] for task in self.tasks]
