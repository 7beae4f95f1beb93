"""The endpoint of audit records."""

from typing import Any, get_args

import orjson
from pydantic import BaseModel, Field
from sqlalchemy import Connection, Select, select

from receiver.domain.suggestions import unknown_name
from receiver.errors import InputError
from receiver.http.audit import AUDIT, AuditAction
from receiver.http.endpoint import Call, Endpoint
from receiver.http.paging import Order, between, equal, read_page
from receiver.http.params import SINCE, UNTIL, PageQuery
from receiver.http.schemas import Json, Moment, NextCursor, When, Word

AUDIT_ORDER: Order = (AUDIT.c.at, AUDIT.c.seq)


ACTIONS = get_args(AuditAction)

_SHOWN = 60
"""Maximum characters of an unknown action in an error."""


_ACTION_ABOUT = f"Only this action: {', '.join(ACTIONS)}."


class AuditQuery(PageQuery):
    """Filters of audit records."""

    actor: Word | None = Field(
        None, description="Only by this token or user.", examples=["grafana", "cli:anna"]
    )
    action: Word | None = Field(None, description=_ACTION_ABOUT, examples=["numbers.find"])
    object: Word | None = Field(None, description="Only about this object.", examples=["+791•••67"])
    since: When | None = Field(None, description="At this time or later.", examples=[SINCE])
    until: When | None = Field(None, description="Before this time.", examples=[UNTIL])


class AuditRecord(BaseModel):
    """One action of a person or a program."""

    seq: int = Field(examples=[12])
    at: Moment
    actor: str = Field(
        description="The name of the token; `cli:` and the user of the operating system for a command; "
        "`user:` and the name for a user of the console; `console:nobody` for somebody who is not signed in "
        "there; `api:no-token` for a caller without a token.",
        examples=["cli:anna"],
    )
    action: str = Field(examples=["numbers.find"])
    object: str = Field(
        description="Id or name of what it was done to; phone numbers are always masked.",
        examples=["+791•••67"],
    )
    detail: Json = Field(examples=[{"tasks": 3}])


class AuditPage(BaseModel):
    """A page of audit records, newest first."""

    records: list[AuditRecord]
    next_cursor: NextCursor | None = Field(
        description="Ask for the next page with it; null: this is the last."
    )


async def list_audit(call: Call[AuditQuery, None]) -> AuditPage:
    """Return a page of audit records. Raises InputError for an unknown action."""

    def read(connection: Connection) -> AuditPage:
        _require_action(connection, call.query.action)
        rows, cursor = read_page(connection, audit_records(call.query), AUDIT_ORDER, call.query)
        records = [AuditRecord.model_validate(row | {"detail": orjson.loads(row["detail"])}) for row in rows]
        return AuditPage(records=records, next_cursor=cursor)

    return await call.context.store.read(read)


def _require_action(connection: Connection, action: str | None) -> None:
    """Raise InputError for an action that is neither recorded by this version nor in a record."""
    if action is None or action in ACTIONS:
        return
    stored = set(connection.scalars(select(AUDIT.c.action).distinct()))
    if action not in stored:
        raise InputError("action", unknown_name("action", action[:_SHOWN], {*ACTIONS, *stored}))


def audit_records(params: AuditQuery) -> Select[Any]:
    """Select the audit records that match."""
    wheres = equal(AUDIT, params, ("actor", "action", "object"))
    return select(AUDIT).where(*wheres, *between(AUDIT.c.at, params.since, params.until))


AUDIT_ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/audit",
        "List audit records",
        "Which person or program did what, newest first: who looked for a phone number, who retried a "
        "message. Phone numbers and secrets are not in it.",
        "audit",
        AuditPage,
        list_audit,
        AuditQuery,
    ),
)
