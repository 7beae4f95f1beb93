"""Operator events with fields, which subscriptions can get, and the conditions that they follow from."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("operator_event", sa.Column("data", sa.Text()))
    op.add_column("operator_event", sa.Column("told_at", sa.Float()))
    # Old events are no news.
    op.execute("UPDATE operator_event SET told_at = at")
    is_untold = sa.column("told_at").is_(None)
    op.create_index(
        "operator_event_untold",
        "operator_event",
        ["seq"],
        sqlite_where=is_untold,
        postgresql_where=is_untold,
    )
    op.create_table(
        "operator_condition",
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("subject", sa.String(), primary_key=True),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
    )
