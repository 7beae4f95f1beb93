"""Indexes of lists by their filters: findings by kind and queue, audit records, deliveries with a problem."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.create_index("finding_by_kind", "finding", ["category", "kind", "at"])
    op.create_index("finding_by_queue", "finding", ["category", "queue_id", "at"])
    op.create_index("audit_by_actor", "audit", ["actor", "at", "seq"])
    op.create_index("audit_by_action", "audit", ["action", "at", "seq"])
    has_problem = sa.column("problem").isnot(None)
    op.create_index(
        "delivery_with_problem",
        "delivery",
        ["received_at", "id"],
        sqlite_where=has_problem,
        postgresql_where=has_problem,
    )
