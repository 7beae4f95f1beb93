"""The page of reconciliation: quota, passes, sweeps, and how hooks and API agree."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson

from receiver.console.page import Page
from receiver.console.visit import Visit
from receiver.domain.calendar import Calendar
from receiver.errors import ErrorKind, InputError
from receiver.story.times import duration

_DAYS = ("1", "7", "30")
"""Periods that can be chosen for lost hooks by queue, in days; the second is the default."""

_WORST = 20
"""Queues with lost hooks that the page shows."""

LISTS = ("drift", "lost_hook", "suspected_hook", "anomaly")
"""Categories of findings, in the order of the page."""


async def _read(visit: Visit) -> Mapping[str, Any]:
    account, days = visit.query.get("account"), visit.query.get("days", _DAYS[1])
    if days not in _DAYS:
        raise InputError("days", "none of the choices", ErrorKind("choice"))
    state = await visit.get("/v1/reconciliation", account=account)
    aside = await visit.get("/v1/set-aside", account=account, limit=1)
    return {
        "account": account,
        "accounts": visit.api.context.accounts,
        "days": days,
        "all_days": _DAYS,
        "state": state,
        "quotas": {row.account: row for row in state.passes if row.quota_limit is not None},
        "took": lambda seconds: visit.texts.render(duration(seconds)),
        "findings": {name: await totals(visit, name, account=account) for name in LISTS},
        "set_aside": aside.totals,
        "queues": await _by_queue(visit, account, int(days)),
    }


async def totals(visit: Visit, category: str, **filters: Any) -> Mapping[str, int]:
    """Return kind → number of findings of a category."""
    page = await findings(visit, category, limit=1, **filters)
    found: Mapping[str, int] = page.totals
    return found


async def findings(visit: Visit, category: str, **parameters: Any) -> Any:
    """Return a page of the findings of a category."""
    suspected: dict[str, Any] = {"suspected": "true"} if category == "suspected_hook" else {}
    return await visit.get(f"/v1/{PATHS[category]}", **parameters, **suspected)


PATHS = {
    "drift": "drift",
    "lost_hook": "lost-hooks",
    "suspected_hook": "lost-hooks",
    "anomaly": "anomalies",
}
"""Category of findings → last part of the path of its endpoint and of its page."""


async def _by_queue(visit: Visit, account: str | None, days: int) -> list[Mapping[str, Any]]:
    """Return the queues with the most lost hooks, of tasks that were created in the last days."""
    context = visit.api.context
    today = Calendar(context.rules.zone).local(context.clock.now()).date()
    since = (today - timedelta(days=days - 1)).isoformat()
    answer = await visit.get("/v1/analytics/health", by="account,queue", account=account, since=since)
    rows = [row for row in orjson.loads(answer.body)["rows"] if row["lost"] and row["queue"]]
    return sorted(rows, key=lambda row: -row["lost"])[:_WORST]


RECONCILIATION = Page("/reconciliation", "reconciliation/passes.html", _read, menu="reconciliation")
