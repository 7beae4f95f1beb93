"""The endpoint of totals."""

from typing import Any

from sqlalchemy import Connection, Select

from receiver.domain.facts import EVENTS
from receiver.http.endpoint import Call
from receiver.http.params import AccountQuery
from receiver.tasks import queries
from receiver.tasks.finding_endpoints import KINDS
from receiver.tasks.schemas import DeliveryCount, Summary


async def summarise(call: Call[AccountQuery, None]) -> Summary:
    """Return the totals of an account, or of all."""
    return await call.context.store.read(lambda connection: _read(connection, call.query), "heavy")


def _read(connection: Connection, params: AccountQuery) -> Summary:
    def counts(query: Select[*tuple[Any, ...]]) -> dict[Any, int]:
        return dict(connection.execute(query).all())

    states, settled = counts(queries.tasks_by("state", params)), counts(queries.tasks_by("settled", params))
    expected = connection.execute(queries.expected_hooks(params)).mappings().one()
    found = {category: dict.fromkeys(kinds, 0) for category, kinds in KINDS.items()}
    for category, kind, count in connection.execute(queries.findings_by_kind(params)):
        found[category][kind] = count
    results = counts(queries.tasks_by_result(params))
    return Summary.model_validate(
        {
            "tasks": sum(states.values()),
            "tasks_by_state": states,
            "tasks_by_result": {name: results.get(name, 0) for name in ("success", "failed", "unknown")},
            "tasks_by_confidence": {"events": 0, "reconciled": 0}
            | counts(queries.tasks_by("confidence", params)),
            "settled": settled.get(True, 0),
            "deliveries": DeliveryCount(
                **connection.execute(queries.delivery_counts(params)).mappings().one()
            ),
            "facts": connection.scalar(queries.fact_count(params)),
            "expected_hooks": {event: expected[event] or 0 for event in EVENTS},
            "lost_hooks": found["lost_hook"],
            "suspected_hooks": found["suspected_hook"],
            "drift": found["drift"],
            "anomalies": found["anomaly"],
        }
    )
