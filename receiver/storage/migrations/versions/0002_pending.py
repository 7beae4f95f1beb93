"""Pending facts, leases, and additions for PostgreSQL, which was no store before."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_PARTIAL = {
    "delivery_by_problem": ("delivery", ["problem"]),
    "fact_by_ref": ("fact", ["account", "ref"]),
    "fact_by_task_id": ("fact", ["account", "task_id"]),
}


def upgrade() -> None:
    seq = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table("pending", sa.Column("seq", seq, primary_key=True, autoincrement=False))
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
    )
    if op.get_context().dialect.name == "postgresql":
        _refine_postgresql()


def _refine_postgresql() -> None:
    """More facts than 32 bits count, and indexes of the rows only that are looked for."""
    op.alter_column("fact", "seq", type_=sa.BigInteger())
    op.execute("ALTER SEQUENCE fact_seq_seq AS bigint")
    for name, (table, columns) in _PARTIAL.items():
        op.drop_index(name, table)
        op.create_index(name, table, columns, postgresql_where=sa.column(columns[-1]).isnot(None))
