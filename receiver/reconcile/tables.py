"""The table of reconciliation's passes. Times: epoch seconds, UTC."""

from sqlmodel import Field, SQLModel

from receiver.storage.tables import table


class ReconcilePassRow(SQLModel, table=True):
    """The last pass of a worker over an account. `part`: `tasks` or `calls`. `problem`: why the pass is
    incomplete, or null. `blocked_until`: no request before this moment, since the quota or the share of
    reconciliation is used up. The quota is null while no answer has stated it.
    """

    __tablename__ = "reconcile_pass"
    account: str = Field(primary_key=True)
    part: str = Field(primary_key=True)
    at: float
    problem: str | None = None
    problem_since: float | None = None
    blocked_until: float | None = None
    quota_limit: int | None = None
    quota_remaining: int | None = None
    quota_reset_at: float | None = None


RECONCILE_PASS = table(ReconcilePassRow)
