"""When a message of a subscription was delivered last."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.add_column("subscription", sa.Column("delivered_at", sa.Float()))
