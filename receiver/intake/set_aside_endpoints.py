"""Endpoints of hooks that could not be read and tasks that could not be folded: a list and a retry."""

from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from receiver.domain.facts import Event
from receiver.http.audit import record_audit
from receiver.http.endpoint import Call, Endpoint, Params
from receiver.http.paging import Order, read_page
from receiver.http.params import Account, PageQuery
from receiver.http.schemas import Account as AccountName
from receiver.http.schemas import Moment, NextCursor, Ref
from receiver.inbox import set_aside_sql
from receiver.inbox.set_aside_sql import KINDS, LISTED, Kind
from receiver.ledger import dirty

_ORDER: Order = (LISTED.c.since, LISTED.c.kind, LISTED.c.id, LISTED.c.owner)

_SCOPE = "subscribe"
"""Scope of the retry: it also allows the other action that repeats failed work, the resend of outcomes."""


class SetAsideQuery(PageQuery):
    """Filters of hooks and tasks that are set aside."""

    account: Account = None
    kind: Kind | None = Field(
        None,
        description="`hook`: only hooks that could not be read; `task`: only tasks that could not be folded.",
        examples=["hook"],
    )


class SetAside(BaseModel):
    """A hook that could not be read, or a task that could not be folded. Its content is not shown."""

    kind: Kind = Field(examples=["hook"])
    id: str = Field(
        description="Of a hook: its delivery id, or a name for a batch that cannot be decoded. "
        "Of a task: its `ref`, or `#` and the vendor's id.",
        examples=["019ca8d1e5f0a1b2c3d4e5f60718293a"],
    )
    account: AccountName | None = Field(description="null for a batch that cannot be decoded.")
    event: Event | None = Field(description="Of a hook.", examples=["after"])
    ref: Ref | None
    since: Moment = Field(
        description="When the hook came; of a task: when the first of its hooks came that is not folded yet."
    )
    hooks: int | None = Field(
        description="Number of hooks: 1, or more for a batch of hooks. null for a task.", examples=[1]
    )
    failures: int = Field(description="Number of failed attempts.", examples=[3])
    retry_at: Moment | None = Field(description="When it is tried again; null: now.")
    problem: str | None = Field(
        description="The last error, and the function and line of the receiver that raised it.",
        examples=["ValueError in read_hook, line 80"],
    )


class SetAsidePage(BaseModel):
    """A page of hooks and tasks that are set aside, newest first, and the totals of all that match."""

    set_aside: list[SetAside]
    totals: dict[Kind, Annotated[int, Field(examples=[1])]] = Field(
        description="Number of hooks and of tasks that match, on all pages."
    )
    next_cursor: NextCursor | None = Field(
        description="Ask for the next page with it; null: this is the last."
    )


class RetryResult(BaseModel):
    """Number of hooks and tasks that are tried again now."""

    hooks: int = Field(examples=[3])
    tasks: int = Field(examples=[1])


async def list_set_aside(call: Call[SetAsideQuery, None]) -> SetAsidePage:
    """Return a page of the hooks and tasks that are set aside. Raises InputError for a bad cursor."""
    return await call.context.store.read(lambda connection: _read(connection, call.query))


async def retry_set_aside(call: Call[Params, None]) -> RetryResult:
    """Make all hooks and tasks that are set aside due now; a running receiver looks every few seconds."""
    store = call.context.store
    counts = await store.read(set_aside_sql.counts)
    await set_aside_sql.retry_all(store)

    def conclude(connection: Connection) -> None:
        dirty.retry_all(connection)
        record_audit(connection, call, "set_aside.retry", "all", counts._asdict())

    await store.write(conclude)
    return RetryResult(hooks=counts.hooks, tasks=counts.tasks)


def _read(connection: Connection, params: SetAsideQuery) -> SetAsidePage:
    query = set_aside_sql.listed(params.account, params.kind)
    rows, next_cursor = read_page(connection, query, _ORDER, params)
    counted = connection.execute(set_aside_sql.totals(params.account, params.kind))
    return SetAsidePage(
        set_aside=[SetAside.model_validate({**row, "retry_at": row["retry_at"] or None}) for row in rows],
        totals=dict.fromkeys(KINDS, 0) | dict(counted.all()),
        next_cursor=next_cursor,
    )


SET_ASIDE_ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/set-aside",
        "List hooks and tasks that are set aside",
        "Hooks that could not be read and tasks that could not be folded because of an error of the "
        "receiver, newest first. They are retried automatically: after a minute, then after pauses that "
        "double up to 6 hours, and at each start of the receiver.",
        "read",
        SetAsidePage,
        list_set_aside,
        SetAsideQuery,
    ),
    Endpoint(
        "POST",
        "/v1/set-aside/retry",
        "Retry hooks and tasks that are set aside",
        "Retry all of them now, of all accounts. A running receiver begins within seconds. Those that fail "
        "again stay in the list.",
        _SCOPE,
        RetryResult,
        retry_set_aside,
    ),
)
