"""The table of reconciliation's passes. Times: epoch seconds, UTC."""

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from receiver.storage.tables import table


class ReconcilePassRow(SQLModel, table=True):
    """The last pass of a worker over an account. `part`: `tasks` or `calls`. `problems`: queue id,
    `queues` or `quota` → why the pass is incomplete. `failing_since`: begin of the first incomplete pass in a
    row. `blocked_until`: no request before this moment, since the quota or the share of
    reconciliation is used up. The quota is null while no answer has stated it.
    """

    __tablename__ = "reconcile_pass"
    account: str = Field(primary_key=True)
    part: str = Field(primary_key=True)
    at: float
    problems: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))
    failing_since: float | None = None
    blocked_until: float | None = None
    quota_limit: int | None = None
    quota_remaining: int | None = None
    quota_reset_at: float | None = None


RECONCILE_PASS = table(ReconcilePassRow)
