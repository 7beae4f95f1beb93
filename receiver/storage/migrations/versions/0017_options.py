"""Options of subscriptions: headers, time-out and retry delays. NULL is the default."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    for name, kind in (("headers", sa.JSON()), ("timeout_s", sa.Float()), ("retry_delays_s", sa.JSON())):
        op.add_column("subscription", sa.Column(name, kind))
