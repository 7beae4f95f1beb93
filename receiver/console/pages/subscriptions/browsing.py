"""The pages of subscriptions: the list, one with its messages, one message with its attempts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from receiver.console.page import Page
from receiver.console.visit import ROOT, Visit
from receiver.outcomes.params import MessageState
from receiver.outcomes.schemas import SubscriptionDetails
from receiver.outcomes.subscription import SubscriptionFilter

API = "/v1/subscriptions"
ONE = f"{API}/{{subscription}}"
RETRY = f"{ONE}/messages/{{message}}/retry"
TOKENS = f"{ONE}/tokens"

_MESSAGES_SHOWN = 25

STATES: tuple[MessageState, ...] = ("waiting", "held", "dead", "delivered", "dropped", "replayed")
"""States of messages in the order of the page."""


class Health(NamedTuple):
    """How a subscription is. `name`: of the text; `kind`: of the badge; `rank`: 0 is worst."""

    name: str
    kind: str
    rank: int


def health_of(subscription: SubscriptionDetails) -> Health:
    """Return how a subscription is, at a glance."""
    if subscription.state == "disabled":
        return Health("disabled", "bad", 0)
    if subscription.failing_since is not None:
        return Health("failing", "bad", 1)
    if subscription.state == "paused":
        return Health("paused", "warn", 2)
    if subscription.delivered_at is None and not subscription.recent.delivered:
        return Health("unused", "", 4)
    return Health("works", "good", 3)


async def _read_list(visit: Visit) -> Mapping[str, Any]:
    rows: Sequence[SubscriptionDetails] = (await visit.get(API)).subscriptions
    ordered = sorted(((health_of(row), row) for row in rows), key=lambda pair: (pair[0].rank, pair[1].name))
    return {
        "rows": ordered,
        "failing": sum(health.kind == "bad" for health, _ in ordered),
        "waiting": sum(row.pending for row in rows),
        "dead": sum(row.dead for row in rows),
        "may_add": visit.allows("POST", API),
    }


async def _read_one(visit: Visit) -> Mapping[str, Any]:
    path, query = {"subscription": visit.path["subscription"]}, visit.query
    subscription = await visit.get(ONE, path)
    messages = await visit.get(
        f"{ONE}/messages",
        {"subscription": subscription.id},
        state=query.get("state"),
        cursor=query.get("cursor"),
        limit=_MESSAGES_SHOWN,
    )
    may_see_tokens = visit.allows("GET", TOKENS)
    return {
        "subscription": subscription,
        "health": health_of(subscription),
        "messages": messages.messages,
        "next_cursor": messages.next_cursor,
        "state": query.get("state"),
        "states": STATES,
        "counts": {"dead": subscription.dead},
        "filters": filters_of(subscription.filter),
        "tokens": (await visit.get(TOKENS, path)).tokens if may_see_tokens else None,
        "allowed": allowed(visit),
        "base": page_of(subscription.id),
        "is_live": visit.may("read") and not query.get("cursor"),
    }


async def _read_message(visit: Visit) -> Mapping[str, Any]:
    path = visit.path
    subscription = await visit.get(ONE, {"subscription": path["subscription"]})
    found = await visit.get("/v1/messages/{message}", {"message": path["message"]})
    return {
        "subscription": subscription,
        "message": found.message,
        "attempts": list(reversed(found.postings)),
        "may_retry": visit.allows("POST", RETRY) and found.message.type != "receiver.test",
        "base": page_of(subscription.id),
    }


def page_of(subscription: str) -> str:
    """Return the address of a subscription's page."""
    return f"{ROOT}/subscriptions/{quote(subscription, safe='')}"


def filters_of(chosen: SubscriptionFilter) -> dict[str, Any]:
    """Return name → value of the conditions of a filter that are set."""
    values = {name: getattr(chosen, name, None) for name in SubscriptionFilter.model_fields}
    return {name: value for name, value in values.items() if value not in (None, [])}


_DOORS = {
    "test": ("POST", f"{ONE}/test"),
    "preview": ("GET", f"{ONE}/preview"),
    "change": ("PATCH", ONE),
    "rotate": ("POST", f"{ONE}/rotate"),
    "retry": ("POST", f"{ONE}/retry"),
    "resend": ("POST", f"{ONE}/replay"),
    "remove": ("DELETE", ONE),
    "token": ("POST", TOKENS),
    "revoke": ("DELETE", f"{TOKENS}/{{token}}"),
}
"""Action → the endpoint that does it."""


def allowed(visit: Visit) -> set[str]:
    """Return the actions that the visitor may do with a subscription."""
    return {name for name, endpoint in _DOORS.items() if visit.allows(*endpoint)}


def require(visit: Visit, action: str) -> None:
    """Raise ForbiddenError unless the visitor may do an action."""
    visit.require(*_DOORS[action])


SUBSCRIPTIONS = Page(
    "/subscriptions",
    "subscriptions/list.html",
    _read_list,
    menu="subscriptions",
    live="subscriptions/list_live.html",
)
SUBSCRIPTION_PAGES = (
    Page("/subscriptions/{subscription}", "subscriptions/one.html", _read_one, own=True),
    Page(
        "/subscriptions/{subscription}/messages/{message}",
        "subscriptions/message.html",
        _read_message,
        own=True,
    ),
)
