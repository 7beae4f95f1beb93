from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ClauseElement, text
from sqlalchemy.dialects import postgresql, sqlite

from receiver.http import audit_endpoint, paging, tokens
from receiver.http.params import AccountQuery
from receiver.intake.params import DeliveryQuery
from receiver.intake.queries import DELIVERIES_ORDER, deliveries, delivery
from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Store
from receiver.tasks import queries
from receiver.tasks.params import LostHookQuery, TaskQuery
from tests.http.api_env import T0

_TASKS = TaskQuery.model_validate(
    {
        "account": "main",
        "state": "finished",
        "finish_result": "failed",
        "settled": "true",
        "lost": "true",
        "since": T0,
        "until": T0 + 1,
    }
)
_LOST = LostHookQuery(account="main", queue_id="17", kind="after", since=T0)
_DELIVERIES = DeliveryQuery(account="main", event="after", problem="any", since=T0, until=T0 + 1)
_ONE = AccountQuery(account="main")

STATEMENTS: dict[str, ClauseElement] = {
    "tasks": paging.page(queries.tasks(_TASKS), queries.TASKS_ORDER, (T0, "main", "r1"), 50),
    "task": queries.task("main", "r1"),
    "findings": paging.page(
        queries.findings("lost_hook", _LOST), queries.FINDINGS_ORDER, (T0, "main", "r1", "after"), 50
    ),
    "totals": queries.finding_totals("lost_hook", _LOST),
    "deliveries": paging.page(deliveries(_DELIVERIES), DELIVERIES_ORDER, (T0, "019c"), 50),
    "delivery": delivery("019c"),
    "queues": queries.queues("main", "17"),
    "queue states": queries.queue_states("main", "17"),
    "by state": queries.tasks_by("state", _ONE),
    "by result": queries.tasks_by_result(_ONE),
    "expected": queries.expected_hooks(_ONE),
    "by kind": queries.findings_by_kind(_ONE),
    "delivery counts": queries.delivery_counts(_ONE),
    "facts": queries.fact_count(_ONE),
    "tokens": tokens.tokens(),
    "token named": tokens.token_named("grafana"),
}


@pytest.mark.parametrize("dialect", [sqlite.dialect, postgresql.dialect], ids=["sqlite", "postgresql"])
@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_can_be_written_for_both_databases(name: str, dialect: Callable[[], Any]) -> None:
    assert str(STATEMENTS[name].compile(dialect=dialect())).startswith("SELECT")


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (paging.page(queries.tasks(TaskQuery()), queries.TASKS_ORDER, (T0, "m", "r"), 50), "task_by_first"),
        (
            paging.page(queries.findings("drift", LostHookQuery()), queries.FINDINGS_ORDER, None, 50),
            "finding_by_category",
        ),
        (
            paging.page(deliveries(DeliveryQuery()), DELIVERIES_ORDER, None, 50),
            "received_at",
        ),
        (
            paging.page(
                audit_endpoint.audit_records(audit_endpoint.AuditQuery(since=T0)),
                audit_endpoint.AUDIT_ORDER,
                (T0, 5),
                50,
            ),
            "audit_by_time",
        ),
        *(
            (
                paging.page(
                    audit_endpoint.audit_records(audit_endpoint.AuditQuery.model_validate(given)),
                    audit_endpoint.AUDIT_ORDER,
                    (T0, 5),
                    50,
                ),
                index,
            )
            for given, index in (
                ({"actor": "user:anna"}, "audit_by_actor"),
                ({"action": "numbers.find"}, "audit_by_action"),
            )
        ),
        *(
            (paging.page(queries.findings("lost_hook", query), queries.FINDINGS_ORDER, None, 50), index)
            for query, index in (
                (LostHookQuery(kind="after"), "finding_by_kind"),
                (LostHookQuery(queue_id="17"), "finding_by_queue"),
            )
        ),
        (queries.finding_totals("lost_hook", LostHookQuery(queue_id="17")), "finding_by_queue"),
        (
            paging.page(deliveries(DeliveryQuery(problem="any")), DELIVERIES_ORDER, (T0, "019c"), 50),
            "delivery_with_problem",
        ),
        (STATEMENTS["queue states"], "PRIMARY KEY (account=? AND what=? AND name=?)"),
        (text(tokens.OWNER.replace("?", "'0'")), "sqlite_autoindex_api_token"),
    ],
)
def test_a_page_costs_no_more_in_a_long_list(tmp_path: Path, statement: ClauseElement, index: str) -> None:
    store = Store(tmp_path / "receiver.db")
    create_tables(store)
    sql = str(statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    with store.snapshot() as connection:
        plan = " / ".join(row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {sql}")))
    store.close()
    assert index in plan
