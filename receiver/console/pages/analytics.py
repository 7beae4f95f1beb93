"""The page of analytics: key numbers, charts with their numbers, a comparison, and files to download."""

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.responses import Response

from receiver.analytics.charts.chart import CHARTS
from receiver.analytics.measures import MEASURES
from receiver.console.page import Page
from receiver.console.visit import Given, Visit
from receiver.domain.calendar import Calendar
from receiver.errors import ErrorKind, InputError, NotFoundError

PERIODS: Mapping[str, int] = {"today": 1, "7": 7, "30": 30, "90": 90, "365": 365}
"""Choice of a period → its days, the last of which is today."""

_DEFAULT, _OWN, _ALL = "7", "own", "all"
_BASES = ("created", "finished", "planned")
_BEFORE = "before"
_CHART_HEADERS = {"Cache-Control": "private, max-age=60"}
"""A picture that was drawn a minute ago is good enough: drawing takes half a second."""


async def _read(visit: Visit) -> Mapping[str, Any]:
    scope = scope_of(visit)
    sides = {**scope, **_other(visit, scope)}
    each = None if visit.query.get("queue") else "queue"
    options: dict[str, Any] = {"lang": visit.preferences.language, "each": each}
    answer, listed = await asyncio.gather(
        visit.get("/v1/analytics/report", **sides, **options), visit.get("/v1/queues")
    )
    return {
        "report": orjson.loads(answer.body),
        "queues": {f"{each.account}/{each.queue_id}": each for each in listed.queues},
        "periods": (*PERIODS, _ALL, _OWN),
        "bases": _BASES,
        "chosen": _chosen(visit, scope),
        "chart_queries": {
            chart: _query_of(CHARTS[chart].measure, scope, title="false", lang=visit.preferences.language)
            for chart in CHARTS
        },
        "measure_queries": {measure: _query_of(measure, scope) for measure in MEASURES},
        "file_query": urlencode(_given(sides | options)),
        "measures": tuple(MEASURES),
        "export_query": urlencode(_export(scope)),
    }


def scope_of(visit: Visit) -> Mapping[str, Any]:
    """Return the parameters of /v1/analytics that the address of a page names."""
    query = visit.query
    zone = query.get("zone") or visit.times.zone
    since, until = _period(query, Calendar(zone).local(visit.times.now).date())
    account, queue_id = _place(query.get("queue"))
    basis = query.get("basis") or _BASES[0]
    return {
        "zone": zone,
        "since": since,
        "until": until,
        "account": account,
        "queue_id": queue_id,
        "basis": basis,
    }


def _period(query: Mapping[str, str], today: date) -> tuple[str | None, str | None]:
    """Return the first and the last day."""
    chosen = query.get("period") or (_OWN if query.get("since") or query.get("until") else _DEFAULT)
    if chosen == _OWN:
        return query.get("since") or None, query.get("until") or None
    if chosen == _ALL:
        return None, None
    if chosen not in PERIODS:
        raise InputError("period", "none of the choices", ErrorKind("choice"))
    return (today - timedelta(days=PERIODS[chosen] - 1)).isoformat(), today.isoformat()


def _place(queue: str | None) -> tuple[str | None, str | None]:
    """Return account and queue of `ACCOUNT/QUEUE`."""
    account, _, queue_id = (queue or "").partition("/")
    return account or None, queue_id or None


def _other(visit: Visit, scope: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parameters of the second side of a comparison."""
    than = visit.query.get("than")
    if not than:
        return {}
    if than != _BEFORE:
        account, queue_id = _place(than)
        return {"than_account": account, "than_queue_id": queue_id}
    since, until = scope["since"], scope["until"]
    try:
        first, last = date.fromisoformat(since or ""), date.fromisoformat(until or "")
    except ValueError:
        raise InputError(
            "than", "no such period: choose one with a beginning and an end", ErrorKind("no_before")
        ) from None
    before = first - timedelta(days=1)
    return {"than_since": (before - (last - first)).isoformat(), "than_until": before.isoformat()}


def _chosen(visit: Visit, scope: Mapping[str, Any]) -> Mapping[str, str]:
    """Return what the form shows as chosen."""
    own = bool(visit.query.get("since") or visit.query.get("until"))
    names = ("queue", "than")
    return {
        **{name: visit.query.get(name, "") for name in names},
        **{name: scope[name] or "" for name in ("since", "until", "zone", "basis")},
        "period": visit.query.get("period") or (_OWN if own else _DEFAULT),
    }


def _query_of(measure: str, scope: Mapping[str, Any], **others: str) -> str:
    """Return the query of a measure, without a basis that it does not have."""
    fits = scope["basis"] in MEASURES[measure].basis
    return urlencode(_given({**scope, **others} if fits else {**scope, **others, "basis": None}))


def _given(query: Mapping[str, Any]) -> Mapping[str, str]:
    return {name: value for name, value in query.items() if value}


def _export(scope: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the parameters of an export of the same period, in moments, account and queue."""
    calendar = Calendar(scope["zone"] or "UTC")
    found: dict[str, str] = {name: scope[name] for name in ("account", "queue_id") if scope[name]}
    for name, later in (("since", 0), ("until", 1)):
        if scope[name]:
            day = date.fromisoformat(scope[name] or "") + timedelta(days=later)
            found[name] = f"{calendar.starts(day):.0f}"
    return found


async def _chart(visit: Visit) -> Response:
    answer = await visit.get("/v1/analytics/{chart}.svg", visit.path, **visit.query)
    return Response(answer.body, headers=_CHART_HEADERS, media_type="image/svg+xml")


async def _report_file(visit: Visit) -> Response:
    given = Given(query=visit.query, accept="text/html")
    answer = await visit.api.call(visit.signed, "GET", "/v1/analytics/report", given)
    return _file(answer, "report.html")


async def _table_file(visit: Visit) -> Response:
    name = visit.path["measure"]
    if name not in MEASURES:
        raise NotFoundError("there is no such file", ErrorKind("no_page"))
    given = Given(query=visit.query, accept="text/csv")
    answer = await visit.api.call(visit.signed, "GET", f"/v1/analytics/{name}", given)
    return _file(answer, f"{name}.csv")


def _file(answer: Response, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(answer.body, headers=headers, media_type=answer.media_type)


ANALYTICS = Page("/analytics", "analytics.html", _read, menu="analytics")
ANALYTICS_FILES = (
    Page("/analytics/report.html", "", _report_file),
    Page("/analytics/{chart}.svg", "", _chart),
    Page("/analytics/{measure}.csv", "", _table_file),
)
