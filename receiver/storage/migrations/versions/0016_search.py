"""Phone numbers of tasks, by which tasks are found. `serve` adds those of older tasks in the background."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_BEFORE_ALL = """
INSERT INTO task_number_fill (at, account, key) SELECT 1e15, '', '' WHERE EXISTS (SELECT 1 FROM task)
"""


def upgrade() -> None:
    op.create_table(
        "task_number",
        *(sa.Column(name, sa.String(), primary_key=True) for name in ("account", "key", "leg")),
        sa.Column("e164", sa.String()),
        sa.Column("digits", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("task_number_by_digits", "task_number", ["digits", "at", "account", "key"])
    op.create_table(
        "task_number_fill",
        sa.Column("at", sa.Float(), nullable=False),
        *(sa.Column(name, sa.String(), primary_key=True) for name in ("account", "key")),
    )
    op.execute(_BEFORE_ALL)
