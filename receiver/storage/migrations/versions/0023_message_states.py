"""An index of messages in rare states, so that a list of them does not read all messages."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    where = sa.column("state").in_([sa.literal_column("'dropped'"), sa.literal_column("'replayed'")])
    columns = ["subscription", "state", "made_at"]
    op.create_index("message_by_rest", "message", columns, sqlite_where=where, postgresql_where=where)
