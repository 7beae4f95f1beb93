"""Endpoints at work: who asks, what is asked, and the answer."""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from receiver.errors import InputError, ReceiverError
from receiver.http.endpoint import JSON, ApiContext, Call, Endpoint, Params
from receiver.http.problems import answer_to, input_error, problem
from receiver.http.tokens import authenticate

Query = TypeVar("Query", bound=Params)

_MAX_BODY = 16_384
_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_NO_TOKEN = "send a token that is not revoked: Authorization: Bearer rcv_…"  # noqa: S105 - tells how, is none


class Resource:
    """All endpoints of one path, as an ASGI application."""

    def __init__(self, context: ApiContext, endpoints: Sequence[Endpoint]) -> None:
        self._context = context
        self._by_method = {endpoint.method: endpoint for endpoint in endpoints}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        endpoint = self._by_method.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is None:
            allowed = ", ".join(self._by_method)
            return problem(405, "wrong_method", f"use {allowed}", headers={"Allow": allowed})
        try:
            scopes = await scopes_of(self._context, request)
            if scopes is None:
                return problem(401, "unauthorized", _NO_TOKEN, headers=_CHALLENGE)
            if endpoint.scope not in scopes:
                return problem(403, "forbidden", f"this needs a token with the scope {endpoint.scope!r}")
            answer = await endpoint.handler(await _call(self._context, scopes, endpoint, request))
        except ReceiverError as error:
            return answer_to(error)
        if not isinstance(answer, Response):
            answer = Response(answer.model_dump_json(), media_type=JSON)
        answer.headers.setdefault("Cache-Control", "no-store")
        return await _without_body(answer) if request.method == "HEAD" else answer


async def _without_body(answer: Response) -> Response:
    """The status and the headers alone: what would be made while it is sent is not made."""
    if isinstance(answer, StreamingResponse) and isinstance(answer.body_iterator, AsyncGenerator):
        await answer.body_iterator.aclose()
    head = Response(status_code=answer.status_code)
    head.raw_headers = answer.raw_headers
    return head


async def scopes_of(context: ApiContext, request: Request) -> frozenset[str] | None:
    """What the caller's token allows; None where it is not accepted, or missing where one is needed."""
    header = request.headers.get("authorization")
    if header is None:
        return frozenset({"read"}) if context.open else None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        return None
    return await context.store.read(lambda connection: authenticate(connection, token.strip()))


async def _call(
    context: ApiContext, scopes: frozenset[str], endpoint: Endpoint, request: Request
) -> Call[Any, Any]:
    query = read_query(endpoint.query, request)
    body = _read_body(endpoint.body, await _body(request)) if endpoint.body else None
    return Call(context, scopes, request.path_params, query, body, request.headers.get("accept", ""))


def read_query(model: type[Query], request: Request) -> Query:
    """Raises InputError for a parameter that is unknown, wrong, or there twice."""
    pairs = request.query_params.multi_items()
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise InputError(twice[0], "given more than once; give it once")
    try:
        return model.model_validate(dict(pairs))
    except ValidationError as error:
        raise input_error(error, model) from None


def _read_body(model: type[Params], raw: bytes) -> Params:
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise input_error(error, model) from None


async def _body(request: Request) -> bytes:
    """Raises InputError where there is more of it than any body that makes sense, or it ended early."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_BODY:
                raise InputError("body", f"at most {_MAX_BODY} bytes of JSON")
    except ClientDisconnect:
        raise InputError("body", "the request ended early; send it whole") from None
    return bytes(body)
