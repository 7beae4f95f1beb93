"""Creations of tasks, whose refs are keys against creating a task twice, and files of tasks."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "task_creation",
        sa.Column("account", sa.String(), primary_key=True),
        sa.Column("ref", sa.String(), primary_key=True),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("queue_id", "digest", "claim", "state")),
        sa.Column("task_id", sa.String()),
        sa.Column("claimed_at", sa.Float(), nullable=False),
    )
    op.create_index("task_creation_by_claim", "task_creation", ["account", "claim"])
    op.create_table(
        "task_file",
        *(sa.Column(name, sa.String(), primary_key=True) for name in ("account", "queue_id", "digest")),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("completed_at", sa.Float()),
        sa.Column("tasks", sa.Integer(), nullable=False),
    )
