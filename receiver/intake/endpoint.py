"""The hook endpoint: a thin ASGI application, since a framework's request layer costs more than the disk."""

from starlette.types import Receive, Scope, Send

from receiver.errors import StoreError
from receiver.intake.answer import GONE_AWAY, Answer
from receiver.intake.request import Asked, HookRequest, Intake

_DRAINED = 8
"""So many times the size limit is read and thrown away, so that the sender gets to read its answer."""


class HookEndpoint:
    """Takes hook requests of every kind. `HookProtocol` takes the common kind for less."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        headers = tuple(map(tuple, scope["headers"]))
        asked = Asked(
            scope["method"], scope["path"], scope["query_string"], headers, client[0] if client else None
        )
        request, answer = HookRequest(self._intake, asked), None
        try:
            answer = request.refusal or await self._keep(request, receive)
            await _send(send, answer, request.id)
        finally:
            request.end(answer)

    async def _keep(self, request: HookRequest, receive: Receive) -> Answer:
        body = await _read(receive, self._intake.rules.max_body)
        if body is None:
            return GONE_AWAY
        try:
            await request.keep(body)
        except StoreError as error:
            return request.answer(error)
        return request.answer(None)


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The body, but no more than is needed to see that it is longer than `limit`; None if the sender left."""
    body = bytearray()
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk: bytes = message.get("body", b"")
        if not size and not message.get("more_body") and len(chunk) <= limit:
            return chunk  # nearly always: whole at once
        size += len(chunk)
        body += chunk[: max(0, limit + 1 - len(body))]
        if not message.get("more_body") or size > limit * _DRAINED:
            return bytes(body)


async def _send(send: Send, answer: Answer, request_id: str) -> None:
    headers = [*answer.headers, (b"x-request-id", request_id.encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
