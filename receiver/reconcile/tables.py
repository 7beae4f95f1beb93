"""Tables of reconciliation's passes and of creations of tasks. Times: epoch seconds, UTC."""

from sqlalchemy import JSON, Column, Index
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


class TaskCreationRow(SQLModel, table=True):
    """The creation of a task. It is stored before the scheduler is asked, so that no second request asks.

    `digest`: of the queue and the task's fields. `claim`: random name of the chunk of tasks that was sent
    together. `state`: `sending`; `unknown` if no answer says whether the task exists; `created`.
    """

    __tablename__ = "task_creation"
    account: str = Field(primary_key=True)
    ref: str = Field(primary_key=True)
    queue_id: str
    digest: str
    claim: str
    state: str
    task_id: str | None = None
    claimed_at: float

    __table_args__ = (Index("task_creation_by_claim", "account", "claim"),)


class TaskFileRow(SQLModel, table=True):
    """A file of tasks that was sent. `started_at` of the latest time is part of the refs of rows without a
    ref of their own; `completed_at`: None while tasks are missing.
    """

    __tablename__ = "task_file"
    account: str = Field(primary_key=True)
    queue_id: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    started_at: float
    completed_at: float | None = None
    tasks: int


RECONCILE_PASS = table(ReconcilePassRow)
CREATION, TASK_FILE = table(TaskCreationRow), table(TaskFileRow)
