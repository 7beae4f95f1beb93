"""A scheduler of few words: it lists what a test puts into it, and misbehaves as the test says."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ROOT = "/api/ver1.0/client/10001"
NOT_FOUND = JSONResponse({"message": "Record not found"}, 404)


@dataclass
class Scripted:
    """`asked`: every API request but those for tokens that were given, as (what, path, page).

    `cap`: most tasks on a page. `failing`: (what, name, `page n` or empty for all) → the status it answers.
    `slow`: seconds between reading the state and answering. `broken`: records put at the end of each list of
    tasks. `is_mute`: no URL is echoed. `lists_are_mute`: none by lists.
    """

    queues: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    cap: int = 100
    hides_finished: bool = False
    ignores_page: bool = False
    is_endless: bool = False
    ends_with_404: bool = False
    is_down: bool = False
    refuses_login: bool = False
    failing: dict[tuple[str, str], int] = field(default_factory=dict)
    slow: float = 0.0
    broken: list[Any] = field(default_factory=list)
    is_mute: bool = False
    lists_are_mute: bool = False
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, queue_id: str, *tasks: dict[str, Any]) -> None:
        """Put tasks, each at least an `id`, into a queue."""
        queue = self.queues.setdefault(queue_id, {})
        for task in tasks:
            queue[task["id"]] = {"scheduler_id": queue_id, "status": "scheduled", "try_count": 1} | task

    def count(self) -> Counter[str]:
        """How often what was asked."""
        return Counter(what for what, *_ in self.asked)

    @property
    def app(self) -> Starlette:
        queues = f"{ROOT}/task_scheduler"
        return Starlette(
            routes=[
                Route("/oauth/token", self._token, methods=["POST"]),
                Route(f"{queues}/", self._queues),
                Route(f"{queues}/{{queue}}/task/", self._tasks),
                Route(f"{queues}/{{queue}}/task/{{id}}", self._task),
                Route(f"{queues}/{{queue}}/tasks/", self._create, methods=["POST"]),
                Route(f"{ROOT}/call_history/{{id}}", self._call),
            ]
        )

    async def _token(self, _: Request) -> Response:
        if self.refuses_login:
            self.asked.append(("token", "", ""))
            return JSONResponse({"error": "invalid_client"}, 401)
        return JSONResponse({"access_token": "t", "token_type": "Bearer", "expires_in": 10**6})

    async def _queues(self, request: Request) -> Response:
        page = self._page(request, [{"id": queue, "name": "q", "status": "on"} for queue in self.queues])
        return await self._answer("queues", "", request, JSONResponse(page))

    async def _tasks(self, request: Request) -> Response:
        queue = request.path_params["queue"]
        if queue not in self.queues:
            return await self._answer("list", queue, request, NOT_FOUND)
        tasks = self.queues[queue].values()
        shown = [task for task in tasks if not (self.hides_finished and task["status"] == "finished")]
        page = self._page(request, [self._echoed(task, self.lists_are_mute) for task in shown])
        page += self.broken if page else []
        is_beyond = self.ends_with_404 and not page and request.query_params["page"] != "1"
        return await self._answer("list", queue, request, NOT_FOUND if is_beyond else JSONResponse(page))

    async def _task(self, request: Request) -> Response:
        task = self.queues.get(request.path_params["queue"], {}).get(request.path_params["id"])
        name = f"{request.path_params['queue']}/{request.path_params['id']}"
        answer = JSONResponse(self._echoed(task)) if task else NOT_FOUND
        return await self._answer("task", name, request, answer)

    async def _create(self, request: Request) -> Response:
        queue_id, wishes = request.path_params["queue"], (await request.json())["tasks"]
        new = [{"id": str(1000 + len(self.queues[queue_id]) + n), **wish} for n, wish in enumerate(wishes)]
        self.add(queue_id, *new)
        return await self._answer(
            "create", queue_id, request, JSONResponse([self._echoed(task) for task in new])
        )

    def _echoed(self, task: dict[str, Any], is_mute: bool = False) -> dict[str, Any]:
        bare = is_mute or self.is_mute
        return {name: each for name, each in task.items() if not (bare and name.startswith("url_"))}

    async def _call(self, request: Request) -> Response:
        call = self.calls.get(request.path_params["id"])
        answer = JSONResponse(call) if call else NOT_FOUND
        return await self._answer("call", request.path_params["id"], request, answer)

    def _page(self, request: Request, items: list[Any]) -> list[Any]:
        if self.is_endless:
            return [{"id": f"page-{request.query_params['page']}", "status": "scheduled"}]
        size = min(self.cap, int(request.query_params["per_page"]))
        first = 0 if self.ignores_page else (int(request.query_params["page"]) - 1) * size
        return items[first : first + size]

    async def _answer(self, what: str, name: str, request: Request, answer: Response) -> Response:
        page = request.query_params.get("page", "")
        self.asked.append((what, name, page))
        await asyncio.sleep(self.slow)
        names = (name, f"page {page}", "")
        status = next((self.failing[what, each] for each in names if (what, each) in self.failing), None)
        status = 503 if self.is_down else status
        if status:
            return JSONResponse({"message": "scripted"}, status)
        return answer
