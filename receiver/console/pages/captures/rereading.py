"""The page that reads deliveries again: first what would change, then for good."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from receiver.console.page import Action, Done, Form, Page, Shown
from receiver.console.visit import ROOT, Visit

_ENDPOINT = "/v1/reread"

_PATH = "/captures/reread"

_FIELDS = ("account", "problem", "since", "until", "cursor")

_AT_ONCE = 2_000
"""Deliveries that one request reads."""


async def _read(visit: Visit) -> Mapping[str, Any]:
    visit.require("POST", _ENDPOINT)
    return {"query": _fields(visit.query), "accounts": visit.api.context.accounts}


async def _preview(visit: Visit, form: Form) -> Shown:
    result = await _send(visit, form, is_dry=True)
    return Shown("captures/reread_preview.html", {"result": result, "query": _fields(form)})


async def _run(visit: Visit, form: Form) -> Done:
    result = await _send(visit, form, is_dry=False)
    rest = {**_fields(form), "cursor": result.next_cursor} if result.next_cursor else {}
    filled = {name: value for name, value in rest.items() if value}
    location = f"{ROOT}{_PATH}" + (f"?{urlencode(filled)}" if filled else "")
    return Done(location, f"console_captures.notice.{'reread' if result.changed else 'same'}", result.changed)


async def _send(visit: Visit, form: Form, *, is_dry: bool) -> Any:
    body: dict[str, Any] = {name: form[name] for name in ("account", "problem", "cursor") if form.get(name)}
    period = {"since": visit.moment("since", form), "until": visit.moment("until", form, is_end=True)}
    body |= {name: at for name, at in period.items() if at is not None}
    return await visit.send("POST", _ENDPOINT, None, **body, dry_run=is_dry, limit=_AT_ONCE)


def _fields(given: Mapping[str, str]) -> dict[str, str]:
    return {name: given.get(name, "") for name in _FIELDS}


REREAD = Page(_PATH, "captures/reread.html", _read, scope="subscribe")

REREAD_ACTIONS = (Action(f"{_PATH}/preview", _preview), Action(f"{_PATH}/run", _run))
