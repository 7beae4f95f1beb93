"""The routes, made from the table of endpoints."""

from itertools import groupby

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from receiver.api.openapi import openapi
from receiver.api.page import page
from receiver.api.parts import ApiParts
from receiver.api.problems import problem
from receiver.api.serving import Resource
from receiver.api.stream import PATH as STREAM
from receiver.api.stream import OutcomeStream
from receiver.api.table import ENDPOINTS

_PAGE_POLICY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
}


def api_routes(parts: ApiParts) -> list[BaseRoute]:
    """All of /v1, its OpenAPI document and its documentation page."""
    document = openapi(ENDPOINTS)
    html = page(document)

    async def show_document(_request: Request) -> Response:
        return JSONResponse(document)

    async def show_page(_request: Request) -> Response:
        return HTMLResponse(html, headers=_PAGE_POLICY)

    async def not_found(_request: Request) -> Response:
        return problem(404, "not_found", "there is no such path: /docs lists them all")

    by_path = groupby(ENDPOINTS, key=lambda endpoint: endpoint.path)
    return [
        Route(STREAM, OutcomeStream(parts).__call__),
        *(Route(path, Resource(parts, list(endpoints))) for path, endpoints in by_path),
        Route("/openapi.json", show_document),
        Route("/docs", show_page),
        Route("/v1/{rest:path}", not_found, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    ]
