"""Stored counts of tasks and findings, so that no query groups all of them; marks of crowded tasks."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_COUNT = (
    """
INSERT INTO task_count (account, what, name, value, number)
SELECT account, 'state', coalesce(queue_id, ''), state, count(*) FROM task
GROUP BY account, coalesce(queue_id, ''), state
""",
    """
INSERT INTO task_count (account, what, name, value, number)
SELECT account, 'due', due_for, '', count(*) FROM task WHERE due_for IS NOT NULL GROUP BY account, due_for
""",
    """
INSERT INTO task_count (account, what, name, value, number)
SELECT account, 'finding', category, kind, sum(count) FROM finding GROUP BY account, category, kind
""",
)


def upgrade() -> None:
    op.add_column(
        "task", sa.Column("crowding", sa.SmallInteger(), nullable=False, server_default=sa.text("0"))
    )
    is_later = sa.column("ask_at") > sa.column("due_at")
    op.create_index(
        "task_by_oldest", "task", ["due_for", "due_at"], sqlite_where=is_later, postgresql_where=is_later
    )
    op.create_table(
        "task_count",
        *(sa.Column(name, sa.String(), primary_key=True) for name in ("account", "what", "name", "value")),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    for statement in _COUNT:
        op.execute(statement)
