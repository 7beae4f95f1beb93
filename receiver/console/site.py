"""All pages and actions of the console."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route

from receiver.console.dispatch import Console
from receiver.console.live import STREAM_PATH, LiveHub
from receiver.console.page import Action, Page
from receiver.console.pages.analytics import ANALYTICS, ANALYTICS_FILES
from receiver.console.pages.captures.deliveries import CAPTURE, CAPTURE_PAGES, CAPTURES
from receiver.console.pages.captures.rereading import REREAD, REREAD_ACTIONS
from receiver.console.pages.exports import EXPORTS
from receiver.console.pages.overview import OVERVIEW
from receiver.console.pages.queues import QUEUE, QUEUES
from receiver.console.pages.reconciliation.findings import FINDING_ACTIONS, FINDING_PAGES
from receiver.console.pages.reconciliation.passes import RECONCILIATION
from receiver.console.pages.subscriptions.actions import ACTION_PAGES, SUBSCRIPTION_ACTIONS
from receiver.console.pages.subscriptions.browsing import SUBSCRIPTION_PAGES, SUBSCRIPTIONS
from receiver.console.pages.subscriptions.editing import EDITING_ACTIONS, EDITING_PAGES
from receiver.console.pages.subscriptions.sending import SENDING_ACTIONS, SENDING_PAGES
from receiver.console.pages.system.state import SYSTEM, SYSTEM_PAGES
from receiver.console.pages.system.tokens import TOKENS_ACTIONS, TOKENS_PAGES
from receiver.console.pages.tasks.actions import TASK_ACTIONS
from receiver.console.pages.tasks.listing import TASKS
from receiver.console.pages.tasks.story import TASK
from receiver.console.sign_in.routes import sign_in_routes
from receiver.console.visit import ConsoleApi
from receiver.http.endpoint import ApiContext, Endpoint

PAGES: tuple[Page, ...] = (
    OVERVIEW,
    TASKS,
    TASK,
    QUEUES,
    QUEUE,
    ANALYTICS,
    SUBSCRIPTIONS,
    *EDITING_PAGES,
    *ACTION_PAGES,
    *SENDING_PAGES,
    *SUBSCRIPTION_PAGES,
    RECONCILIATION,
    *FINDING_PAGES,
    CAPTURES,
    *CAPTURE_PAGES,
    REREAD,
    CAPTURE,
    SYSTEM,
    *SYSTEM_PAGES,
    *TOKENS_PAGES,
)
"""In the order of the menu."""

FILES: tuple[Page, ...] = (*ANALYTICS_FILES, EXPORTS)
"""Downloads that pages lead to."""

ACTIONS: tuple[Action, ...] = (
    *TASK_ACTIONS,
    *EDITING_ACTIONS,
    *SUBSCRIPTION_ACTIONS,
    *SENDING_ACTIONS,
    *FINDING_ACTIONS,
    *REREAD_ACTIONS,
    *TOKENS_ACTIONS,
)


def console_routes(context: ApiContext, endpoints: Sequence[Endpoint]) -> list[BaseRoute]:
    """Return the routes of the console. `endpoints`: of the API that the pages show."""
    api = ConsoleApi(context, endpoints)
    stream = Route(STREAM_PATH, LiveHub(api, PAGES).__call__)
    return [stream, *sign_in_routes(context), *Console(api, (*PAGES, *FILES), ACTIONS).routes()]
