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

from receiver.emulator import routes
from receiver.emulator.api import ApiEndpoint, Context, Handler
from receiver.emulator.clock import Clock
from receiver.emulator.control import show
from receiver.emulator.oauth import issue_token

QUEUES = "/client/{client_id}/task_scheduler/"
QUEUE = QUEUES + "{scheduler_id}"
CALLS = "/client/{client_id}/call_history/"
TASKS: dict[str, Handler] = {"POST": routes.create_tasks, "GET": routes.list_tasks}
TASK: dict[str, Handler] = {"GET": routes.read_task, "DELETE": routes.delete_task}

API: dict[str, dict[str, Handler]] = {
    QUEUES: {"POST": routes.create_queue, "GET": routes.list_queues},
    QUEUE: {"GET": routes.read_queue, "PUT": routes.change_queue, "DELETE": routes.delete_queue},
    f"{QUEUE}/task/": TASKS,
    f"{QUEUE}/tasks/": TASKS,
    f"{QUEUE}/task/{{task_id}}": TASK,
    f"{QUEUE}/tasks/{{task_id}}": TASK,
    CALLS: {"GET": routes.call_history_list},
    CALLS + "{call_uuid}": {"GET": routes.call_history_read},
}


def create_app(context: Context) -> Starlette:
    async def token(request: Request) -> Response:
        response = await issue_token(request, context)
        context.world.requests["token"][str(response.status_code)] += 1
        return response

    async def control(request: Request) -> Response:
        return await show(request, context)

    api = [Route(path, ApiEndpoint(context, handlers)) for path, handlers in API.items()]
    singles = [(path, handlers) for path, handlers in API.items() if not path.endswith("/")]
    api += [Route(f"{path}/", ApiEndpoint(context, handlers, extra_slash=True)) for path, handlers in singles]
    app = Starlette(
        routes=[
            Route("/oauth/token", token, methods=["POST"]),
            Mount("/api/ver1.0", app=Router(api, redirect_slashes=False)),
            Route("/emulator/{view}", control, methods=["GET"]),
        ],
        middleware=[
            Middleware(Dated, clock=context.clock),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=1),
        ],
        exception_handlers={HTTPException: _http_error, ClientDisconnect: _gone},
    )
    app.router.redirect_slashes = False
    return app


def _gone(_request: Request, _error: Exception) -> Response:
    """Answer a client that disconnected before the end of its body."""
    return Response(status_code=400)


class Dated:
    """Sets `Date` to the emulated time in all answers."""

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
    """Return the API's error for unknown paths and methods."""
    if not isinstance(error, HTTPException):
        raise error
    message = "Record not found" if error.status_code == 404 else error.detail
    return JSONResponse({"message": message}, error.status_code, error.headers)
