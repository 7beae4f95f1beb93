"""Indexes of tasks by time: of a queue, of a state, with lost hooks, with drift."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

_BY_TIME = ["first_at", "account", "key"]


def upgrade() -> None:
    _add(
        "task_by_state",
        ["state", *_BY_TIME, "attempts"],
        sa.column("state") != sa.literal_column("'finished'"),
    )
    for name, count in (("task_by_lost", "hooks_lost"), ("task_by_drift", "drifts")):
        _add(name, [*_BY_TIME, count], sa.column(count) > sa.literal_column("0"))
    op.create_index("task_by_queue_time", "task", ["account", "queue_id", "first_at", "key"])
    # The index before it is for no query any more, and each fold wrote it.
    op.drop_index("task_by_queue", "task", if_exists=True)


def _add(name: str, columns: list[str], where: Any) -> None:
    op.create_index(name, "task", columns, sqlite_where=where, postgresql_where=where)
