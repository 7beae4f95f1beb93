"""Pages of the system: versions and workers, settings, users, operator events, and the audit log."""

import json
from collections.abc import Mapping
from typing import Any

from receiver.console.page import Page
from receiver.console.visit import Visit
from receiver.http.audit_endpoint import ACTIONS
from receiver.outcomes.operator_types import OPERATOR_TYPES, PREFIX

_AUDIT_FILTERS = ("actor", "action", "object", "since", "until", "cursor")

KINDS = tuple(name.removeprefix(PREFIX) for name in OPERATOR_TYPES)
"""Kinds of operator events."""


async def _read_system(visit: Visit) -> Mapping[str, Any]:
    return {"system": await visit.get("/v1/system")}


async def _read_settings(visit: Visit) -> Mapping[str, Any]:
    shows_all = visit.query.get("all") == "true"
    found = await visit.get("/v1/settings", changed=None if shows_all else "true")
    return {"settings": found.settings, "shows_all": shows_all, "as_text": _as_text}


def _as_text(value: Any) -> str:
    """Return a value as text, a list or table as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


async def _read_users(visit: Visit) -> Mapping[str, Any]:
    return {"users": (await visit.get("/v1/users")).users}


async def _read_events(visit: Visit) -> Mapping[str, Any]:
    query = {name: visit.query.get(name) for name in ("kind", "cursor")}
    return {
        "list": await visit.get("/v1/operator-events", None, **query),
        "query": query,
        "kinds": KINDS,
    }


async def _read_audit(visit: Visit) -> Mapping[str, Any]:
    given: dict[str, Any] = {name: visit.query.get(name) for name in _AUDIT_FILTERS}
    period = {"since": visit.moment("since"), "until": visit.moment("until", is_end=True)}
    return {
        "list": await visit.get("/v1/audit", **{**given, **period}),
        "query": given,
        "actions": ACTIONS,
    }


SYSTEM = Page("/system", "system/state.html", _read_system, menu="system")

SYSTEM_PAGES = (
    Page("/system/settings", "system/settings.html", _read_settings, scope="audit"),
    Page("/system/users", "system/users.html", _read_users, scope="tokens"),
    Page("/system/events", "system/events.html", _read_events),
    Page("/system/audit", "system/audit.html", _read_audit, scope="audit"),
)
