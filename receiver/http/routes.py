"""The routes, made from the table of endpoints."""

from collections.abc import Sequence
from itertools import groupby

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from receiver.http.dispatch import Resource
from receiver.http.docs_page import page
from receiver.http.endpoint import ApiContext, Endpoint
from receiver.http.openapi import openapi
from receiver.http.problems import problem

_PAGE_POLICY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
}


def api_routes(context: ApiContext, endpoints: Sequence[Endpoint]) -> list[BaseRoute]:
    """Return the routes of these endpoints, of their OpenAPI document and of its page."""
    document = openapi(endpoints)
    html = page(document)

    async def show_document(_request: Request) -> Response:
        return JSONResponse(document)

    async def show_page(_request: Request) -> Response:
        return HTMLResponse(html, headers=_PAGE_POLICY)

    async def not_found(_request: Request) -> Response:
        return problem(404, "not_found", "there is no such path: /docs lists them all")

    by_path = groupby(endpoints, key=lambda endpoint: endpoint.path)
    return [
        *(Route(path, Resource(context, list(methods))) for path, methods in by_path),
        Route("/openapi.json", show_document),
        Route("/docs", show_page),
        Route("/v1/{rest:path}", not_found, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    ]
