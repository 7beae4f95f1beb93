"""How a request becomes a call of its endpoint, and the answer a response."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import cache, partial
from typing import TypeVar

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from receiver.errors import ErrorKind, ForbiddenError, InputError, InvalidTokenError, ReceiverError
from receiver.http.endpoint import JSON, ApiContext, Call, Caller, Endpoint, Params
from receiver.http.openapi import openapi
from receiver.http.problems import answer_to, input_error, problem
from receiver.http.tokens import authenticate

Query = TypeVar("Query", bound=Params)


def api_routes(context: ApiContext, endpoints: Sequence[Endpoint]) -> list[BaseRoute]:
    """Return the routes of these endpoints and of their OpenAPI document."""
    document = cache(partial(openapi, endpoints))

    async def show_document(_request: Request) -> Response:
        # Made when somebody asks: a start would be noticeably longer. In a thread, so that hooks do not wait.
        return JSONResponse(await asyncio.to_thread(document))

    async def not_found(_request: Request) -> Response:
        return problem(404, "not_found", "there is no such path: /docs/reference/api lists them all")

    by_path: dict[str, list[Endpoint]] = defaultdict(list)
    for endpoint in endpoints:
        by_path[endpoint.path].append(endpoint)
    return [
        *(Route(path, Resource(context, methods)) for path, methods in by_path.items()),
        Route("/openapi.json", show_document),
        Route("/v1/{rest:path}", not_found, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    ]


class Resource:
    """All endpoints of one path, as an ASGI application."""

    def __init__(self, context: ApiContext, endpoints: Sequence[Endpoint]) -> None:
        self._context = context
        self._by_method = {endpoint.method: endpoint for endpoint in endpoints}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(Request(scope, receive))
        except ReceiverError as error:
            response = answer_to(error)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        """Authenticate and read the request, call its endpoint. Raises ReceiverError."""
        endpoint = self._by_method.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is None:
            allowed = ", ".join(self._by_method)
            return problem(405, "wrong_method", f"use {allowed}", headers={"Allow": allowed})
        caller = await caller_of(self._context, request)
        if caller is None:
            raise InvalidTokenError(
                "send a token that is neither revoked nor expired: Authorization: Bearer rcv_…"
            )
        await check_access(self._context, endpoint, caller, request.path_params)
        query = read_query(endpoint.query, request)
        body = await _read_body(endpoint.body, request, endpoint.max_body) if endpoint.body else None
        accept = request.headers.get("accept", "")
        query, path = await self._context.resolve(query, request.path_params)
        answer = await endpoint.handler(Call(self._context, caller, path, query, body, accept))
        if not isinstance(answer, Response):
            answer = Response(answer.model_dump_json(), media_type=JSON)
        answer.headers.setdefault("Cache-Control", "no-store")
        return await _without_body(answer) if request.method == "HEAD" else answer


async def check_access(
    context: ApiContext, endpoint: Endpoint, caller: Caller, path: Mapping[str, str]
) -> None:
    """Raise ForbiddenError if the token has not the scope, or is for another subscription alone. The answer
    does not say whether the object exists.
    """
    if caller.subscription is None:
        if endpoint.scope not in caller.scopes:
            raise ForbiddenError(
                f"this needs a token with the scope {endpoint.scope!r}", ErrorKind("no_right")
            )
        return
    owner_of = endpoint.own
    if owner_of is None:
        raise ForbiddenError(
            f"this token is for one subscription alone; use a token with the scope {endpoint.scope!r}",
            ErrorKind("own"),
        )
    if await context.store.read(lambda connection: owner_of(connection, path)) != caller.subscription:
        raise ForbiddenError(
            f"this token is for the subscription {caller.subscription} alone", ErrorKind("own")
        )


async def caller_of(context: ApiContext, request: Request) -> Caller | None:
    """Return the owner of the token; None if it is not accepted, or missing where it is needed."""
    header = request.headers.get("authorization")
    if header is None:
        return Caller("api:no-token", frozenset({"read"})) if context.open else None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        return None
    now = context.clock.now()
    return await context.store.read(lambda connection: authenticate(connection, token.strip(), now))


def read_query(model: type[Query], request: Request) -> Query:
    """Return the query parameters. Raises InputError if one is unknown, wrong, or given twice."""
    pairs = request.query_params.multi_items()
    if len(names := Counter(name for name, _ in pairs)) < len(pairs):
        raise InputError(names.most_common(1)[0][0], "given more than once; give it once")
    try:
        return model.model_validate(dict(pairs))
    except ValidationError as error:
        raise input_error(error, model) from None


async def _read_body(model: type[Params], request: Request, max_bytes: int) -> Params:
    """Return the body. Raises InputError if it is wrong, too long, or not whole."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise InputError("body", f"at most {max_bytes} bytes of JSON")
        return model.model_validate_json(bytes(body))
    except ClientDisconnect:
        raise InputError("body", "the request ended early; send it whole") from None
    except ValidationError as error:
        raise input_error(error, model) from None


async def _without_body(answer: Response) -> Response:
    """Return the status and the headers only, and close what would make the body of a stream."""
    if isinstance(answer, StreamingResponse) and isinstance(answer.body_iterator, AsyncGenerator):
        await answer.body_iterator.aclose()
    head = Response(status_code=answer.status_code)
    head.raw_headers = answer.raw_headers
    return head
