"""All pages and actions of the console."""

from collections.abc import Sequence

from starlette.routing import BaseRoute

from receiver.console.dispatch import Console
from receiver.console.page import Action, Page
from receiver.console.pages.queues import QUEUES
from receiver.console.visit import ConsoleApi
from receiver.http.endpoint import ApiContext, Endpoint

PAGES: tuple[Page, ...] = (QUEUES,)
"""In the order of the menu."""

ACTIONS: tuple[Action, ...] = ()


def console_routes(context: ApiContext, endpoints: Sequence[Endpoint]) -> list[BaseRoute]:
    """Return the routes of the console. `endpoints`: of the API that the pages show."""
    return Console(ConsoleApi(context, endpoints), PAGES, ACTIONS).routes()
