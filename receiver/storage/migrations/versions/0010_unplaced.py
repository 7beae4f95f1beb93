"""An index of deliveries without a task, which may contain missing hooks."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    unplaced = sa.and_(sa.column("problem").isnot(None), sa.column("ref").is_(None))
    op.create_index(
        "delivery_unplaced",
        "delivery",
        ["account", "event", "received_at"],
        sqlite_where=unplaced,
        postgresql_where=unplaced,
    )
