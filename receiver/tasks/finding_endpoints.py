"""Endpoints of findings: lost hooks, drift, anomalies."""

from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy import Connection

from receiver.domain.facts import EVENTS
from receiver.domain.timeline import ANOMALY_KINDS, DRIFT_KINDS, Category
from receiver.http.endpoint import Call
from receiver.http.paging import data_range, read_page
from receiver.tasks import queries
from receiver.tasks.names import named_queues
from receiver.tasks.params import FindingQuery, LostHookQuery
from receiver.tasks.schemas import FindingPage, FindingView
from receiver.tasks.tables import FINDING

KINDS: dict[Category, tuple[str, ...]] = {
    "lost_hook": EVENTS,
    "suspected_hook": EVENTS,
    "drift": DRIFT_KINDS,
    "anomaly": ANOMALY_KINDS,
}


def list_findings(category: Category) -> Callable[[Call[FindingQuery, None]], Awaitable[FindingPage]]:
    """Return the handler of a category."""

    async def handle(call: Call[FindingQuery, None]) -> FindingPage:
        return await call.context.store.read(
            lambda connection: _read(connection, category, call.query), "heavy"
        )

    return handle


async def list_lost_hooks(call: Call[LostHookQuery, None]) -> FindingPage:
    """Return a page of lost hooks, or of suspected ones."""
    category: Category = "suspected_hook" if call.query.suspected else "lost_hook"
    return await call.context.store.read(lambda connection: _read(connection, category, call.query))


def _read(connection: Connection, category: Category, params: FindingQuery) -> FindingPage:
    query = queries.findings(category, params)
    rows, next_cursor = read_page(connection, query, queries.FINDINGS_ORDER, params)
    counted = {
        kind: int(number) for kind, number in connection.execute(queries.finding_totals(category, params))
    }
    totals = dict.fromkeys(KINDS[category], 0) | counted
    found = named_queues(connection, [FindingView.model_validate(row) for row in rows])
    outside = None
    if not rows:
        outside = data_range(connection, partial(queries.findings, category), FINDING.c.at, params)
    return FindingPage(findings=found, totals=totals, next_cursor=next_cursor, available=outside)
