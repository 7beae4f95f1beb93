"""Resends of outcomes, which are counted first, and previews of requests."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from receiver.console.page import Action, Done, Form, Page, Shown
from receiver.console.pages.subscriptions.actions import subscription_path, subscription_values
from receiver.console.pages.subscriptions.browsing import ONE, page_of, require
from receiver.console.problems import ShownProblem, shown_problem
from receiver.console.visit import Visit
from receiver.domain.calendar import Calendar
from receiver.domain.moments import iso
from receiver.errors import InputError, NotFoundError
from receiver.outcomes.event_types import ABOUT
from receiver.outcomes.events import EVENT_TYPES

_RESEND = ("POST", f"{ONE}/replay")
_PATH = "/subscriptions/{subscription}"


async def _ask_resend(visit: Visit) -> Mapping[str, Any]:
    require(visit, "resend")
    typed = {"dead": "on"} if visit.query.get("dead") else {}
    return {**await subscription_values(visit), **_resend_values(typed, {})}


def _resend_values(typed: Mapping[str, str], problems: Mapping[str, ShownProblem]) -> dict[str, Any]:
    return {"typed": typed, "problems": problems, "types": EVENT_TYPES, "counted": None}


async def _resend(visit: Visit, form: Form) -> Done | Shown:
    """Count first; send what was counted once the visitor has confirmed it."""
    is_confirmed = form.get("step") == "send"
    body = {**_resend_body(visit, form), "dry_run": not is_confirmed}
    problems, counted = visit.check(*_RESEND, body), None
    if not problems:
        try:
            counted = await visit.send(*_RESEND, subscription_path(visit), **body)
        except InputError as error:
            problems = visit.problems(error)
    if counted and is_confirmed:
        return Done(page_of(visit.path["subscription"]), "console_subscriptions.notice.resent", counted.sent)
    values = {**await subscription_values(visit), **_resend_values(form, problems)}
    shown = {**values, "counted": counted}
    return Shown("subscriptions/resend.html", shown, 400 if problems else 200)


def _resend_body(visit: Visit, form: Form) -> dict[str, Any]:
    """Return the body of the request. A time that cannot be read is passed on, for the API to refuse it."""
    times = {
        name: _moment(visit, text) for name in ("since", "until") if (text := form.get(name, "").strip())
    }
    chosen = [form["type"]] if form.get("type") else []
    return {
        **times,
        "dead": form.get("dead") == "on",
        "events": form.get("events", "").split(),
        "filter": {"types": chosen} if chosen else {},
    }


def _moment(visit: Visit, text: str) -> str:
    """Return a local time of the visitor's zone as ISO 8601 with its zone; other text as it is."""
    try:
        return iso(Calendar(visit.times.zone).epoch(datetime.fromisoformat(text)))
    except (ValueError, OverflowError):
        return text


async def _preview(visit: Visit) -> Mapping[str, Any]:
    require(visit, "preview")
    typed = {name: visit.query.get(name, "").strip() for name in ("account", "task", "type")}
    values: dict[str, Any] = {
        **await subscription_values(visit),
        "typed": typed,
        "types": ABOUT,
        "accounts": visit.api.context.accounts,
    }
    try:
        shown = await visit.get(f"{ONE}/preview", subscription_path(visit), **typed)
        return {**values, "shown": shown, "body": _readable(shown.body), "problems": {}}
    except InputError as error:
        problems = visit.problems(error)
    except NotFoundError as error:
        problems = {"task": shown_problem(error, visit.texts)}
    return {**values, "shown": None, "problems": problems}


def _readable(body: str | None) -> str:
    """Return JSON with line breaks; other text as it is."""
    try:
        return orjson.dumps(orjson.loads(body or ""), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return body or ""


SENDING_PAGES = (
    Page(f"{_PATH}/preview", "subscriptions/preview.html", _preview, own=True),
    Page(f"{_PATH}/resend", "subscriptions/resend.html", _ask_resend),
)

SENDING_ACTIONS = (Action(f"{_PATH}/resend", _resend),)
