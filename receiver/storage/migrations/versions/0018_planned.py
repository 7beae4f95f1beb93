"""Sums by the planned start of tasks; `receiver rebuild` counts them."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("calendar", sa.Column("planned", sa.Boolean(), nullable=False, server_default=sa.false()))
    # Without a row the calendar is UTC and complete, which is not true of the new sums.
    op.execute(
        "INSERT INTO calendar (id, zone, phase, complete, turn, planned) "
        "SELECT 1, 'UTC', 0, true, 0, false "
        "WHERE NOT EXISTS (SELECT 1 FROM calendar) AND EXISTS (SELECT 1 FROM rollup)"
    )
    op.execute("UPDATE calendar SET planned = true WHERE NOT EXISTS (SELECT 1 FROM rollup)")
