"""Tokens that are for one subscription alone, and tokens that expire."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("api_token", sa.Column("subscription", sa.String()))
    op.add_column("api_token", sa.Column("expires_at", sa.Float()))
