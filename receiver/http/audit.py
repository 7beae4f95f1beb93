"""The audit log: which person or program did what, and to what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from sqlalchemy import Column, Connection, Index, Text
from sqlmodel import Field, SQLModel

from receiver.domain.masking import mask_tree
from receiver.http.endpoint import Call
from receiver.storage.bulk import write
from receiver.storage.tables import NEVER_TWICE, SEQ, table

AuditAction = Literal[
    "console.sign_in",
    "console.sign_in_failed",
    "console.sign_out",
    "deliveries.reread",
    "number.purge",
    "numbers.find",
    "set_aside.retry",
    "subscription.add",
    "subscription.change",
    "subscription.remove",
    "subscription.resend",
    "subscription.retry",
    "subscription.rotate",
    "subscription.test",
    "task.cancel",
    "task.create",
    "token.create",
    "token.revoke",
    "user.add",
    "user.change",
    "user.link",
    "user.password",
    "user.remove",
]
"""All that is recorded."""


class AuditRow(SQLModel, table=True):
    """One action. `actor`: see `Caller`. `action`: dotted, such as `subscription.retry`. `object`: id or name
    of the thing that it was done to, a phone number masked. `detail`: JSON without secrets.
    """

    __tablename__ = "audit"
    seq: int | None = Field(default=None, sa_column=Column(SEQ, primary_key=True))
    at: float
    actor: str
    action: str
    object: str
    detail: str = Field(sa_column=Column(Text, nullable=False))

    __table_args__ = (
        Index("audit_by_time", "at", "seq"),
        Index("audit_by_actor", "actor", "at", "seq"),
        Index("audit_by_action", "action", "at", "seq"),
        NEVER_TWICE,
    )


AUDIT = table(AuditRow)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What is recorded: see `AuditRow`. `detail`: short and without secrets; phone numbers in it are masked.
    `address`: of the browser, if it matters.
    """

    actor: str
    action: AuditAction
    object: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    address: str = ""


def record_audit(
    connection: Connection,
    call: Call[Any, Any],
    action: AuditAction,
    object_name: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Store who called, what the call does and to what: in the transaction that does it.

    `object_name`: id or name; mask a phone number by `mask_number`. `detail`: see `AuditEntry`.
    """
    entry = AuditEntry(call.caller.actor, action, object_name, detail or {})
    record_entry(connection, call.context.clock.now(), entry)


def record_entry(connection: Connection, at: float, entry: AuditEntry) -> None:
    """Store what is no call of an endpoint: in the transaction that does it."""
    address = {"address": entry.address} if entry.address else {}
    row = {
        "at": at,
        "actor": entry.actor,
        "action": entry.action,
        "object": entry.object,
        "detail": orjson.dumps(mask_tree(dict(entry.detail)) | address).decode(),
    }
    write(connection, AUDIT, "add", [row])
