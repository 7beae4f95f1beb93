"""Everything counted."""

from typing import Any

from sqlalchemy import Connection, Select

from receiver.domain.facts import EVENTS
from receiver.http.endpoint import Call
from receiver.http.params import AccountQuery
from receiver.tasks import queries
from receiver.tasks.finding_endpoints import KINDS
from receiver.tasks.schemas import DeliveryCount, Summary


async def summarise(call: Call[AccountQuery, None]) -> Summary:
    """The counts of one account, or of all."""
    return await call.context.store.read(lambda connection: _read(connection, call.query), "heavy")


def _read(connection: Connection, asked: AccountQuery) -> Summary:
    def counts(query: Select[*tuple[Any, ...]]) -> dict[Any, int]:
        return dict(connection.execute(query).all())

    states, settled = counts(queries.tasks_by("state", asked)), counts(queries.tasks_by("settled", asked))
    expected = connection.execute(queries.expected_hooks(asked)).mappings().one()
    found = {category: dict.fromkeys(kinds, 0) for category, kinds in KINDS.items()}
    for category, kind, count in connection.execute(queries.findings_by_kind(asked)):
        found[category][kind] = count
    results = counts(queries.tasks_by_result(asked))
    return Summary.model_validate(
        {
            "tasks": sum(states.values()),
            "tasks_by_state": states,
            "tasks_by_result": {name: results.get(name, 0) for name in ("success", "failed", "unknown")},
            "tasks_by_confidence": {"events": 0, "reconciled": 0}
            | counts(queries.tasks_by("confidence", asked)),
            "settled": settled.get(True, 0),
            "deliveries": DeliveryCount(
                **connection.execute(queries.delivery_counts(asked)).mappings().one()
            ),
            "facts": connection.scalar(queries.fact_count(asked)),
            "expected_hooks": {event: expected[event] or 0 for event in EVENTS},
            "lost_hooks": found["lost_hook"],
            "suspected_hooks": found["suspected_hook"],
            "drift": found["drift"],
            "anomalies": found["anomaly"],
        }
    )
