"""The last problem of a subscription that fails."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("subscription", sa.Column("problem", sa.String()))
