"""An inbox of raw hooks, and marks of dirty tasks instead of pending facts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_DIRTY = """
INSERT INTO dirty_task (account, name, since)
SELECT account, coalesce(ref, '#' || task_id), min(at)
FROM fact WHERE seq IN (SELECT seq FROM pending) AND (ref IS NOT NULL OR task_id IS NOT NULL)
GROUP BY account, coalesce(ref, '#' || task_id)
"""
"""Tasks with facts that the version before had recorded and not folded."""


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "inbox",
        sa.Column("number", number, primary_key=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("batch", sa.LargeBinary(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "set_aside",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("account", sa.String()),
        sa.Column("event", sa.String()),
        sa.Column("ref", sa.String()),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("batch", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.Float(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
    )
    op.create_index("set_aside_by_retry", "set_aside", ["retry_at"])
    _mark_dirty_tasks()


def _mark_dirty_tasks() -> None:
    op.create_table(
        "dirty_task",
        sa.Column("account", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("retry_at", sa.Float(), nullable=False, server_default=sa.text("0")),
        sa.Column("problem", sa.String()),
    )
    op.create_index("dirty_task_by_turn", "dirty_task", ["retry_at", "since"])
    op.execute(_DIRTY)
    op.drop_table("pending")
