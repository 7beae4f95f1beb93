"""The routes of signing in and out."""

from starlette.routing import BaseRoute

from receiver.console.visit import Render
from receiver.http.endpoint import ApiContext


def sign_in_routes(_context: ApiContext, _render: Render) -> list[BaseRoute]:
    """Return the routes of signing in and out."""
    return []
