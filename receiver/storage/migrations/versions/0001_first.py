"""The schema of 0.1.0, which recorded no revision.

Primary keys and unique constraints have no names on SQLite. To change one in a later migration, use
`op.batch_alter_table(…, naming_convention=…)` with PostgreSQL's own names (`fact_pkey`, `fact_id_key`).
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _make_ledger()
    _make_task()
    _make_what_else_is_derived()
    _make_working_state()


def _make_ledger() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("ref", sa.String()),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("query", sa.String(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("peer", sa.String()),
        sa.Column("problem", sa.String()),
    )
    op.create_index("ix_delivery_received_at", "delivery", ["received_at"])
    _partial_index("delivery_by_problem", "delivery", "problem")
    op.create_table(
        "fact",
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("ref", sa.String()),
        sa.Column("task_id", sa.String()),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
    )
    _partial_index("fact_by_ref", "fact", "account", "ref")
    _partial_index("fact_by_task_id", "fact", "account", "task_id")


def _partial_index(name: str, table: str, *columns: str) -> None:
    """On SQLite only rows that have the last of the columns are in it."""
    op.create_index(name, table, list(columns), sqlite_where=sa.column(columns[-1]).isnot(None))


def _make_task() -> None:
    op.create_table(
        "task",
        sa.Column("account", sa.String(), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
        *(sa.Column(name, sa.String()) for name in ("ref", "task_id", "queue_id", "claimed_id", "name")),
        sa.Column("state", sa.String(), nullable=False),
        *(sa.Column(name, sa.String()) for name in ("finish_result", "finish_comment", "cdr")),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempts_most", sa.Integer()),
        sa.Column("attempts_exact", sa.Boolean(), nullable=False),
        sa.Column("try_count", sa.Integer()),
        sa.Column("pause", sa.Float()),
        *(sa.Column(name, sa.String()) for name in ("a_number", "b_number", "extension_id")),
        sa.Column("confidence", sa.String(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("planned_at", sa.Float()),
        sa.Column("first_at", sa.Float(), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float()),
        sa.Column("due_at", sa.Float()),
        sa.Column("due_for", sa.String()),
        *(
            sa.Column(name, sa.JSON(), nullable=False)
            for name in ("expected", "arrived", "duplicates", "lost")
        ),
    )
    op.create_index("task_by_task_id", "task", ["account", "task_id"])
    op.create_index("task_by_due", "task", ["account", "due_for", "due_at"])
    op.create_index("task_by_first", "task", ["first_at", "account", "key"])
    op.create_index("task_by_queue", "task", ["account", "queue_id", "state"])


def _make_what_else_is_derived() -> None:
    op.create_table(
        "link",
        sa.Column("account", sa.String(), primary_key=True),
        sa.Column("task_id", sa.String(), primary_key=True),
        sa.Column("ref", sa.String(), nullable=False),
    )
    op.create_index("link_by_ref", "link", ["account", "ref"])
    op.create_table(
        "finding",
        *(sa.Column(name, sa.String(), primary_key=True) for name in ("account", "key", "category", "kind")),
        sa.Column("queue_id", sa.String()),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
    )
    op.create_index("finding_by_category", "finding", ["category", "at"])
    op.create_table(
        "queue",
        sa.Column("account", sa.String(), primary_key=True),
        sa.Column("queue_id", sa.String(), primary_key=True),
        sa.Column("name", sa.String()),
        sa.Column("comment", sa.String()),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("concurrent_task_limit", sa.Integer()),
        sa.Column("created_at", sa.Float()),
        sa.Column("observed_at", sa.Float(), nullable=False),
    )


def _make_working_state() -> None:
    op.create_table(
        "sweep",
        sa.Column("account", sa.String(), primary_key=True),
        sa.Column("queue_id", sa.String(), primary_key=True),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("next_page", sa.Integer(), nullable=False),
        sa.Column("tasks", sa.Integer(), nullable=False),
        sa.Column("completed_at", sa.Float()),
        sa.Column("error", sa.String()),
    )
    op.create_table(
        "api_token",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("hash", sa.String(), nullable=False, unique=True),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("revoked_at", sa.Float()),
    )
