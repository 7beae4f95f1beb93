"""Applications that store nothing: a Starlette route, and two raw ASGI handlers."""

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

_BODY = b'{"status":"recorded"}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())]


async def _hook(_request: Request) -> Response:
    return JSONResponse({"status": "recorded"})


noop = Starlette(routes=[Route("/hook", _hook, methods=["POST"])])


async def checked(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the whole body and sees that it is a JSON object."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    try:
        status = 200 if isinstance(json.loads(body), dict) else 400
    except ValueError:
        status = 400
    await _answer(send, status)


async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers without looking."""
    if scope["type"] == "http":
        await _answer(send, 200)


async def _answer(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})
