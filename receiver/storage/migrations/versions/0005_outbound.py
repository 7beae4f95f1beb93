"""Published outcomes, subscriptions, and deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _make_outcome()
    _make_subscription()
    _make_message()
    _make_the_rest()


def _make_outcome() -> None:
    op.create_table(
        "outcome",
        sa.Column("seq", _SEQ, primary_key=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("queue_id", sa.String()),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("told_at", sa.Float(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
    )
    op.create_index("outcome_by_task", "outcome", ["account", "key"])
    op.create_index("outcome_by_time", "outcome", ["told_at"])


def _make_subscription() -> None:
    op.create_table(
        "subscription",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("secrets", sa.JSON(), nullable=False),
        sa.Column("filter", sa.JSON(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("order", sa.String(), nullable=False),
        sa.Column("certainty", sa.String(), nullable=False),
        sa.Column("max_wait_s", sa.Float(), nullable=False),
        sa.Column("rate", sa.Float()),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String()),
        sa.Column("failing_since", sa.Float()),
        sa.Column("failed_at", sa.Float()),
        sa.Column("slow_until", sa.Float()),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
    )


def _make_message() -> None:
    op.create_table(
        "message",
        sa.Column("seq", _SEQ, primary_key=True),
        sa.Column("subscription", sa.String(), nullable=False),
        sa.Column("outcome_seq", _SEQ, nullable=False),
        sa.Column("body_seq", _SEQ, nullable=False),
        sa.Column("replay", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=False),
        sa.Column("made_at", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_until", sa.Float()),
        sa.Column("settled_at", sa.Float()),
    )
    op.create_index("message_once", "message", ["subscription", "outcome_seq", "replay"], unique=True)
    op.create_index("message_by_task", "message", ["account", "key", "subscription", "seq"])
    op.create_index("message_by_made", "message", ["subscription", "made_at", "seq"])
    _where_in("message_by_due", ("waiting", "held"), "subscription", "due_at", "seq")
    _where_in("message_by_state", ("waiting", "held", "dead"), "subscription", "state", "made_at")
    op.create_index("message_by_outcome", "message", ["outcome_seq"])


def _where_in(name: str, states: tuple[str, ...], *columns: str) -> None:
    is_one = sa.column("state").in_(states)
    op.create_index(name, "message", list(columns), sqlite_where=is_one, postgresql_where=is_one)


def _make_the_rest() -> None:
    op.create_table(
        "posting",
        sa.Column("seq", _SEQ, primary_key=True),
        sa.Column("message_seq", _SEQ, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("took_s", sa.Float(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("answer", sa.String()),
        sa.Column("problem", sa.String()),
    )
    op.create_index("ix_posting_message_seq", "posting", ["message_seq"])
    op.create_table(
        "operator_event",
        sa.Column("seq", _SEQ, primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
    )
    op.create_index("ix_operator_event_at", "operator_event", ["at"])
