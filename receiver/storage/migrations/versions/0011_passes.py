"""The last pass of reconciliation over each account, with its problem and the quota."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "reconcile_pass",
        sa.Column("account", sa.String(), primary_key=True),
        sa.Column("part", sa.String(), primary_key=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.Column("failing_since", sa.Float()),
        sa.Column("blocked_until", sa.Float()),
        sa.Column("quota_limit", sa.Integer()),
        sa.Column("quota_remaining", sa.Integer()),
        sa.Column("quota_reset_at", sa.Float()),
    )
