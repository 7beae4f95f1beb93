"""The ASGI application: the vendor's API, and the emulator's own control plane beside it."""

from email.utils import formatdate

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from receiver.emulator import routes_history as history
from receiver.emulator import routes_queues as queues
from receiver.emulator import routes_tasks as tasks
from receiver.emulator.clock import Clock
from receiver.emulator.control import show
from receiver.emulator.door import Door, Handler, Parts
from receiver.emulator.oauth import issue_token

QUEUES = "/client/{client_id}/task_scheduler/"
QUEUE = QUEUES + "{scheduler_id}"
CALLS = "/client/{client_id}/call_history/"
TASKS: dict[str, Handler] = {"POST": tasks.create_tasks, "GET": tasks.list_tasks}
TASK: dict[str, Handler] = {"GET": tasks.read_task, "DELETE": tasks.delete_task}

API: dict[str, dict[str, Handler]] = {
    QUEUES: {"POST": queues.create_queue, "GET": queues.list_queues},
    QUEUE: {"GET": queues.read_queue, "PUT": queues.change_queue, "DELETE": queues.delete_queue},
    f"{QUEUE}/task/": TASKS,
    f"{QUEUE}/tasks/": TASKS,
    f"{QUEUE}/task/{{task_id}}": TASK,
    f"{QUEUE}/tasks/{{task_id}}": TASK,
    CALLS: {"GET": history.call_history_list},
    CALLS + "{call_uuid}": {"GET": history.call_history_read},
}


def create_app(parts: Parts) -> Starlette:
    async def token(request: Request) -> Response:
        response = await issue_token(request, parts)
        parts.world.requests["token"][str(response.status_code)] += 1
        return response

    async def control(request: Request) -> Response:
        return await show(request, parts)

    api = [Route(path, Door(parts, handlers)) for path, handlers in API.items()]
    singles = [(path, handlers) for path, handlers in API.items() if not path.endswith("/")]
    api += [Route(f"{path}/", Door(parts, handlers, extra_slash=True)) for path, handlers in singles]
    app = Starlette(
        routes=[
            Route("/oauth/token", token, methods=["POST"]),
            Mount("/api/ver1.0", app=Router(api, redirect_slashes=False)),
            Route("/emulator/{view}", control, methods=["GET"]),
        ],
        middleware=[
            Middleware(Dated, clock=parts.clock),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=1),
        ],
        exception_handlers={HTTPException: _http_error, ClientDisconnect: _gone},
    )
    app.router.redirect_slashes = False
    return app


def _gone(_request: Request, _error: Exception) -> Response:
    """Nobody reads the answer to a call whose caller left before it had sent its body."""
    return Response(status_code=400)


class Dated:
    """Puts the emulated time into each answer, as a server with that clock would."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Date"] = formatdate(self._clock.now(), usegmt=True)
            await send(message)

        await self._app(scope, receive, dated)


async def _http_error(_: Request, error: Exception) -> Response:
    """Paths and methods that do not exist, in the API's words."""
    if not isinstance(error, HTTPException):
        raise error
    message = "Record not found" if error.status_code == 404 else error.detail
    return JSONResponse({"message": message}, error.status_code, error.headers)
