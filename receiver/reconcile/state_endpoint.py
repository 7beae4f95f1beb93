"""The endpoint of reconciliation's state: the last passes, the quota, and the last sweep of each queue."""

from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import Connection, Row, Select, and_, func, select

from receiver.http.endpoint import Call, Endpoint
from receiver.http.paging import equal
from receiver.http.params import AccountQuery
from receiver.http.schemas import Account, Moment, QueueId, QueueName
from receiver.reconcile.tables import RECONCILE_PASS
from receiver.tasks.tables import QUEUE, SWEEP


class PassProblem(BaseModel):
    """Why a pass is incomplete."""

    where: str = Field(
        description="The id of a queue, or `queues` for their list, or `quota`.", examples=["17"]
    )
    problem: str = Field(examples=["timed out"])


class PassState(BaseModel):
    """The last pass of one worker over an account, and the quota that it saw."""

    account: Account
    part: str = Field(description="`tasks` or `calls`.", examples=["tasks"])
    at: Moment
    failing_since: Moment | None = Field(description="When the first incomplete pass in a row was.")
    problems: list[PassProblem]
    blocked_until: Moment | None = Field(
        description="No request is sent before this moment, since the quota, or reconciliation's share of "
        "it, is used up; null: requests are sent."
    )
    quota_limit: int | None = Field(
        description="API calls an hour; null: no answer has stated it.", examples=[10_000]
    )
    quota_remaining: int | None = Field(examples=[9_800])
    quota_reset_at: Moment | None


class SweepState(BaseModel):
    """The last sweep of a queue: all its tasks were read through at the API."""

    account: Account
    queue_id: QueueId
    queue_name: QueueName | None
    started_at: Moment
    completed_at: Moment | None = Field(
        description="When a sweep last read every page; null: none did. Before `started_at`: the last sweep "
        "broke off, and goes on with the next pass."
    )
    took_s: float | None = Field(
        description="Seconds from `started_at` to `completed_at`; null: the last sweep broke off.",
        examples=[2.4],
    )
    tasks: int = Field(description="Tasks that the sweep has shown.", examples=[310])
    problem: str | None = Field(description="Why it broke off, or what it could not read.", examples=[None])


class ReconciliationState(BaseModel):
    """The state of reconciliation, by account."""

    passes: list[PassState]
    sweeps: list[SweepState] = Field(description="Queues with a problem first, then the longest ago.")


async def read_reconciliation(call: Call[AccountQuery, None]) -> ReconciliationState:
    """Return the last passes and sweeps of an account, or of all."""
    params, now = call.query, call.context.clock.now()

    def read(connection: Connection) -> ReconciliationState:
        return ReconciliationState(
            passes=[_pass(row, now) for row in connection.execute(passes(params))],
            sweeps=[_sweep(row) for row in connection.execute(sweeps(params))],
        )

    return await call.context.store.read(read)


def passes(params: AccountQuery) -> Select[Any]:
    """Select the last passes."""
    order = RECONCILE_PASS.c.account, RECONCILE_PASS.c.part.desc()
    return select(RECONCILE_PASS).where(*equal(RECONCILE_PASS, params, ("account",))).order_by(*order)


def sweeps(params: AccountQuery) -> Select[Any]:
    """Select the last sweeps, those with a problem first, with the names of their queues."""
    of_queue = SWEEP.c.account, SWEEP.c.queue_id
    same = and_(QUEUE.c.account == SWEEP.c.account, QUEUE.c.queue_id == SWEEP.c.queue_id)
    return (
        select(SWEEP, QUEUE.c.name.label("queue_name"))
        .join(QUEUE, same, isouter=True)
        .where(*equal(SWEEP, params, ("account",)))
        .order_by(SWEEP.c.error.is_(None), func.coalesce(SWEEP.c.completed_at, 0.0), *of_queue)
    )


def _pass(row: Row[Any], now: float) -> PassState:
    blocked_until = row.blocked_until if row.blocked_until and row.blocked_until > now else None
    problems = [PassProblem(where=where or "queues", problem=text) for where, text in row.problems.items()]
    return PassState(**{**row._mapping, "problems": problems, "blocked_until": blocked_until})


def _sweep(row: Row[Any]) -> SweepState:
    is_whole = row.next_page == 1 and row.completed_at is not None and row.completed_at >= row.started_at
    values = {name: value for name, value in row._mapping.items() if name not in ("next_page", "error")}
    took_s = round(row.completed_at - row.started_at, 1) if is_whole else None
    return SweepState(**values, took_s=took_s, problem=row.error)


RECONCILIATION_ENDPOINT = Endpoint(
    "GET",
    "/v1/reconciliation",
    "Get the state of reconciliation",
    "By account: the last passes and their problems, the quota of the scheduler's API and until when no "
    "request is sent, and the last sweep of each queue.",
    "read",
    ReconciliationState,
    read_reconciliation,
    AccountQuery,
)
