"""The state of a receiver at one moment, from its store: what comes in, what waits, what fails."""

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, Field
from sqlalchemy import Connection, Row, func, select

from receiver.domain.calendar import Calendar
from receiver.domain.facts import EVENTS
from receiver.http.endpoint import Call, Endpoint, Params
from receiver.http.schemas import Moment, State, Word
from receiver.ledger.tables import DELIVERY
from receiver.maintenance.table_gauges import TableCounts, count_tables
from receiver.maintenance.today import TodayStatus, read_today
from receiver.reconcile.tables import RECONCILE_PASS
from receiver.runtime.clock import Clock
from receiver.storage.leases import LEASE, lease_time
from receiver.storage.leases import held as leases_held
from receiver.tasks.tables import FINDING

_MINUTE_S, _HOUR_S = 60.0, 3600.0

_SHOWN = ("lost_hook", "suspected_hook", "drift")
"""Categories of the findings that are counted."""

FindingCounts = dict[str, dict[str, int]]
"""Category → kind → number."""


class StatusQuery(Params):
    """How the status is counted."""

    zone: Word | None = Field(
        None,
        description="Time zone of the day. Default: `analytics.zone` in the settings.",
        examples=["Europe/Moscow"],
    )


class HookStatus(BaseModel):
    """Hooks that came in."""

    last_minute: int = Field(description="Hooks of the last minute, unread ones too.", examples=[12])
    per_minute: float = Field(description="Mean of the last hour.", examples=[9.5])
    last_at: Moment | None = Field(description="When the last hook that is read came.")
    unread: int = Field(description="Hooks that are not read yet.", examples=[0])
    lost_today: dict[str, int] = Field(
        description="Hooks that did not arrive, of tasks with a fact of today, by event.",
        examples=[{"after": 1}],
    )
    suspected_today: dict[str, int] = Field(
        description="Hooks of such tasks that are only suspected to be lost, by event.", examples=[{}]
    )


class StageWait(BaseModel):
    """Work that waits at one stage."""

    stage: str = Field(description="`read`, `fold`, `deliver`, or a question to the API.", examples=["read"])
    waiting: int = Field(examples=[3])
    due_since: Moment = Field(description="When the oldest of it was due.")


class FailingSubscription(BaseModel):
    """A subscription that fails, is paused or is disabled."""

    id: str = Field(examples=["sub_1f0c9be64a7e8f20"])
    name: str = Field(examples=["sales CRM"])
    state: str = Field(examples=["active"])
    failing_since: Moment | None
    problem: str | None = Field(description="Of the last failure, or why it is disabled.", examples=["401"])
    pending: int = Field(description="Messages still to be delivered.", examples=[4])
    dead: int = Field(description="Dead letters.", examples=[0])


class LeaseStatus(BaseModel):
    """Work that one receiver does."""

    name: str = Field(examples=["delivery"])
    holder: str = Field(examples=["host-1:4711:0f3a9c21"])
    expires_at: Moment
    is_held: bool = Field(
        description="false: it has expired, and no receiver does this work.", examples=[True]
    )
    expires_in_s: float = Field(
        description="Seconds of the machine's clock until it expires, unless it is renewed; negative: since "
        "it expired.",
        examples=[12.5],
    )


class AccountStatus(BaseModel):
    """The last pass of reconciliation over an account."""

    account: str = Field(examples=["main"])
    part: str = Field(description="`tasks` or `calls`.", examples=["tasks"])
    at: Moment
    failing_since: Moment | None
    problems: list[str] = Field(examples=[[]])
    quota_limit: int | None = Field(description="API calls an hour.", examples=[10_000])
    quota_remaining: int | None = Field(examples=[9_800])
    quota_reset_at: Moment | None


class StatusView(BaseModel):
    """The state of a receiver at one moment."""

    at: Moment
    day: date = Field(description="Today, in the time zone of the query.", examples=["2026-03-01"])
    hooks: HookStatus
    today: TodayStatus | None = Field(description="null: the rollup has not counted the tasks in this zone.")
    tasks: dict[State, Annotated[int, Field(examples=[12])]] = Field(description="All tasks, by state.")
    drift_today: dict[str, int] = Field(
        description="Disagreements of hooks and API, of tasks with a fact of today, by kind.",
        examples=[{"result": 1}],
    )
    waits: list[StageWait] = Field(description="The longest wait first.")
    set_aside_hooks: int = Field(description="Hooks that could not be read.", examples=[0])
    set_aside_tasks: int = Field(description="Tasks that could not be folded.", examples=[0])
    subscriptions: int = Field(description="All subscriptions.", examples=[2])
    failing: list[FailingSubscription]
    leases: list[LeaseStatus]
    accounts: list[AccountStatus]


async def read_status(call: Call[StatusQuery, None]) -> StatusView:
    """Return the state of the receiver. Raises InputError for an unknown zone."""
    calendar, clock = Calendar(call.query.zone or call.context.rules.zone), call.context.clock
    return await call.context.store.read(partial(_read, calendar=calendar, clock=clock))


STATUS_ENDPOINT = Endpoint(
    "GET",
    "/v1/status",
    "Get the status",
    "What comes in, what waits, what fails, who holds which lease, and the quota of each account. It is read "
    "from the store.",
    "read",
    StatusView,
    read_status,
    StatusQuery,
)


def _read(connection: Connection, calendar: Calendar, clock: Clock) -> StatusView:
    now = clock.now()
    counts = count_tables(connection)
    set_aside = {kind: int(number) for (kind,), number in counts.set_aside.items()}
    today = calendar.local(now).date()
    found = _findings(connection, calendar.starts(today))
    passes = select(RECONCILE_PASS).order_by(RECONCILE_PASS.c.account, RECONCILE_PASS.c.part)
    return StatusView(
        at=now,
        day=today,
        hooks=_hooks(connection, counts, now, found),
        today=read_today(connection, calendar, now),
        tasks=_tasks(counts),
        drift_today=dict(found["drift"]),
        waits=_waits(counts, now),
        set_aside_hooks=set_aside.get("hook", 0),
        set_aside_tasks=set_aside.get("task", 0),
        subscriptions=len(counts.outbox),
        failing=[_failing(row) for row in counts.outbox if row.failing_since or row.state != "active"],
        leases=lease_states(connection, clock),
        accounts=[_account(row) for row in connection.execute(passes)],
    )


def lease_states(connection: Connection, clock: Clock) -> list[LeaseStatus]:
    """Return all leases by name."""
    leases = connection.execute(select(LEASE).order_by(LEASE.c.name)).all()
    real_now = clock.real(clock.now())
    held = leases_held(connection, [lease.name for lease in leases], real_now)
    now = lease_time(connection, real_now)
    return [
        LeaseStatus(
            **lease._mapping,
            is_held=lease.name in held,
            expires_in_s=round(lease.expires_at - now, 1),
        )
        for lease in leases
    ]


def _hooks(connection: Connection, counts: TableCounts, now: float, found: FindingCounts) -> HookStatus:
    came = DELIVERY.c.received_at
    query = select(
        func.count().filter(came >= now - _MINUTE_S), func.count(), select(func.max(came)).scalar_subquery()
    ).where(came >= now - _HOUR_S)
    minute, hour, last_at = connection.execute(query).one()
    unread = counts.inbox.hooks
    return HookStatus(
        last_minute=minute + unread,
        per_minute=round((hour + unread) * _MINUTE_S / _HOUR_S, 1),
        last_at=last_at,
        unread=unread,
        lost_today=_by_event(found["lost_hook"]),
        suspected_today=_by_event(found["suspected_hook"]),
    )


def _by_event(found: Mapping[str, int]) -> dict[str, int]:
    return {event: found[event] for event in EVENTS if event in found}


def _findings(connection: Connection, since: float) -> FindingCounts:
    """Return category → kind → number of findings since a moment."""
    names = FINDING.c.category, FINDING.c.kind
    recent = FINDING.c.category.in_(_SHOWN), FINDING.c.at >= since
    found: FindingCounts = {category: {} for category in _SHOWN}
    counted = select(*names, func.sum(FINDING.c.count)).where(*recent).group_by(*names)
    for category, kind, number in connection.execute(counted):
        found[category][kind] = int(number)
    return found


def _tasks(counts: TableCounts) -> dict[State, int]:
    """Return the number of tasks by state, of all queues."""
    numbers: dict[Any, int] = {}
    for (_, state), number in counts.tasks.items():
        numbers[state] = numbers.get(state, 0) + int(number)
    return numbers


def _waits(counts: TableCounts, now: float) -> list[StageWait]:
    waits = [
        StageWait(stage=stage, waiting=int(counts.waits.get((stage,), 0)), due_since=at)
        for (stage,), at in counts.due.items()
        if counts.waits.get((stage,)) and at <= now
    ]
    pending = [row for row in counts.outbox if row.pending]
    if pending:
        oldest, waiting = min(row.oldest_at for row in pending), sum(row.pending for row in pending)
        waits.append(StageWait(stage="deliver", waiting=waiting, due_since=oldest))
    return sorted(waits, key=lambda wait: wait.due_since)


def _failing(row: Row[Any]) -> FailingSubscription:
    names = ("id", "name", "state", "failing_since", "pending", "dead")
    problem = row.reason or row.problem
    return FailingSubscription(**{name: getattr(row, name) for name in names}, problem=problem)


def _account(row: Row[Any]) -> AccountStatus:
    names = (name for name in AccountStatus.model_fields if name != "problems")
    problems = [f"{queue}: {problem}" if queue else problem for queue, problem in row.problems.items()]
    return AccountStatus(**{name: getattr(row, name) for name in names}, problems=problems)
