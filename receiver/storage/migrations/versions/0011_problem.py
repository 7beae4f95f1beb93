"""The last problem of a subscription that fails."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("subscription", sa.Column("problem", sa.String()))
