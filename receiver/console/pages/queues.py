"""The pages of queues: all of them with their figures, and one."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import orjson

from receiver.analytics.report_words import ReportWords
from receiver.analytics.schemas import ShareValue
from receiver.console.page import Page
from receiver.console.pages.overview import STATES, open_tasks
from receiver.console.visit import Visit
from receiver.domain.calendar import Calendar
from receiver.tasks.schemas import Queue

DAYS = 7

_NOTHING = {"k": 0, "n": 0, "value": None, "low": None, "high": None}

Figures = Mapping[str, Any]
"""Values of the measures `success` and `health`, by name."""


async def _read_all(visit: Visit) -> Mapping[str, Any]:
    found = await visit.get("/v1/queues", account=visit.query.get("account"))
    figures = await _figures(visit)
    accounts = visit.api.context.accounts
    return {
        "queues": [(queue, figures.get(_name(queue), {})) for queue in found.queues],
        "accounts": sorted(accounts) if len(accounts) > 1 else (),
        **_common(visit),
    }


async def _read_one(visit: Visit) -> Mapping[str, Any]:
    queue = await visit.get("/v1/queues/{account}/{queue_id}", visit.path)
    scope = {"account": queue.account, "queue_id": queue.queue_id}
    figures = await _figures(visit, **scope)
    since, until = _days(visit, 30)
    chart = {**scope, "since": since, "until": until, "zone": visit.times.zone, "title": "false"}
    chart["lang"] = visit.preferences.language
    return {
        "queue": queue,
        "figures": figures.get(_name(queue), {}),
        "states": {state: queue.tasks.get(state, 0) for state in STATES},
        "scope": urlencode(scope),
        "chart_query": urlencode(chart),
        "queue_name": f"{queue.account}/{queue.queue_id}",
        **_common(visit),
    }


def _common(visit: Visit) -> Mapping[str, Any]:
    return {
        "words": ReportWords(visit.preferences.language),
        "share": lambda figures, name: ShareValue(**figures.get(name, _NOTHING)),
        "open_tasks": lambda queue: open_tasks(queue.tasks),
        "days": DAYS,
    }


async def _figures(visit: Visit, **scope: str) -> Mapping[tuple[str, str], Figures]:
    """Return the figures of each queue of the last days, by finish of tasks."""
    since, until = _days(visit, DAYS)
    query: dict[str, Any] = {"since": since, "until": until, "zone": visit.times.zone, **scope}
    answers = await asyncio.gather(
        *(
            visit.get(f"/v1/analytics/{name}", by="account,queue", basis="finished", **query)
            for name in ("success", "health")
        )
    )
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for answer in answers:
        for row in orjson.loads(answer.body)["rows"]:
            found.setdefault((row["account"], row["queue"]), {}).update(row)
    return found


def _days(visit: Visit, days: int) -> tuple[str, str]:
    """Return the first and the last of the latest days."""
    today = Calendar(visit.times.zone).local(visit.times.now).date()
    return (today - timedelta(days=days - 1)).isoformat(), today.isoformat()


def _name(queue: Queue) -> tuple[str, str]:
    return queue.account, queue.queue_id


QUEUES = Page("/queues", "queues.html", _read_all, menu="queues")
QUEUE = Page("/queues/{account}/{queue_id}", "queue.html", _read_one)
