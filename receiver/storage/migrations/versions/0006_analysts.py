"""Attempts and rollups for analysts; `receiver rebuild` fills them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_COUNTS = (
    *("tasks", "open", "succeeded", "failed", "exhausted", "unknown", "inexact", "settled"),
    *("expected", "lost", "arrived", "duplicates", "late", "drifted"),
    *("attempts", "under_way", "connected", "legs_known", "a_answered", "bridged"),
    *("seizures", "answers", "talks", "talk_ms"),
)


def upgrade() -> None:
    _widen_task()
    _make_attempt()
    _make_rollups()


def _widen_task() -> None:
    for name in ("created_at", "connected_at", "connect_s", "lateness_s"):
        op.add_column("task", sa.Column(name, sa.Float()))
    for name in ("reason", "raw_reason", "failed_leg"):
        op.add_column("task", sa.Column(name, sa.String()))
    for name in ("expected", "arrived", "duplicate", "late", "lost"):
        _add_count(f"hooks_{name}")
    _add_count("drifts")
    lacks = sa.column("created_at").is_(None)
    op.create_index("task_by_uncounted", "task", ["account"], sqlite_where=lacks, postgresql_where=lacks)


def _add_count(name: str) -> None:
    op.add_column("task", sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0")))


def _make_attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("account", sa.String(), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("started_at", sa.Float()),
        sa.Column("call", sa.String()),
        sa.Column("connected", sa.Boolean()),
        sa.Column("bridged", sa.Boolean()),
        sa.Column("a_answered", sa.Boolean()),
        sa.Column("b_answered", sa.Boolean()),
        sa.Column("reason", sa.String()),
        sa.Column("raw_reason", sa.String()),
        sa.Column("failed_leg", sa.String()),
        sa.Column("gap_s", sa.Float()),
        sa.Column("talk_s", sa.Float()),
        sa.Column("total_s", sa.Float()),
    )


def _make_rollups() -> None:
    op.create_table(
        "calendar",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
    )
    key = ("basis", "slice", "hour", "account", "queue_id", "value", "retired")
    _make_rollup("rollup", key)
    _make_rollup("rollup_day", ("basis", "day", "account", "queue_id", "retired"))


def _make_rollup(name: str, key: tuple[str, ...]) -> None:
    kinds: dict[str, Any] = {"hour": sa.BigInteger(), "day": sa.Integer(), "retired": sa.Boolean()}
    op.create_table(
        name,
        *(
            sa.Column(each, kinds.get(each, sa.String()), primary_key=True, autoincrement=False)
            for each in key
        ),
        *(sa.Column(each, sa.BigInteger(), nullable=False, server_default="0") for each in _COUNTS),
        sqlite_with_rowid=False,
    )
