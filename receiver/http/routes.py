"""The routes, made from the table of endpoints."""

from collections.abc import Sequence
from itertools import groupby

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from receiver.http.dispatch import Resource
from receiver.http.endpoint import ApiContext, Endpoint
from receiver.http.openapi import openapi
from receiver.http.problems import problem


def api_routes(context: ApiContext, endpoints: Sequence[Endpoint]) -> list[BaseRoute]:
    """Return the routes of these endpoints and of their OpenAPI document."""
    document = openapi(endpoints)

    async def show_document(_request: Request) -> Response:
        return JSONResponse(document)

    async def not_found(_request: Request) -> Response:
        return problem(404, "not_found", "there is no such path: /docs/reference/api lists them all")

    by_path = groupby(endpoints, key=lambda endpoint: endpoint.path)
    return [
        *(Route(path, Resource(context, list(methods))) for path, methods in by_path),
        Route("/openapi.json", show_document),
        Route("/v1/{rest:path}", not_found, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    ]
