"""Next question and number of failed questions of each task, held in memory before."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("task", sa.Column("ask_at", sa.Float()))
    op.add_column("task", sa.Column("asks", sa.Integer(), nullable=False, server_default=sa.text("0")))
    # A task in progress that only its hooks know waits for something of its own by now.
    op.execute("UPDATE task SET due_for = 'find' WHERE due_for = 'progress' AND task_id IS NULL")
    op.execute("UPDATE task SET ask_at = due_at")
    op.drop_index("task_by_due", "task")
    there = sa.column("ask_at").isnot(None)
    columns = ["account", "due_for", "ask_at"]
    op.create_index("task_by_due", "task", columns, sqlite_where=there, postgresql_where=there)
