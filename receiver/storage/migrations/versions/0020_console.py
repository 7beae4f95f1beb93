"""Users of the console, their sessions, links that sign in once, and failed sign-ins."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.create_table(
        "console_user",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("numbers", sa.Boolean(), nullable=False),
        sa.Column("password_hash", sa.String()),
        sa.Column("subject", sa.String(), unique=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("disabled_at", sa.Float()),
    )
    op.create_table(
        "console_session",
        sa.Column("hash", sa.String(), primary_key=True),
        *(sa.Column(name, sa.String()) for name in ("user_name", "token_hash")),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("created_at", "seen_at")),
    )
    op.create_index("console_session_by_user", "console_session", ["user_name"])
    op.create_table(
        "console_link",
        sa.Column("hash", sa.String(), primary_key=True),
        sa.Column("user_name", sa.String(), nullable=False),
        sa.Column("one_click", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "console_sign_in_count",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("succeeded_at", sa.Float()),
    )
