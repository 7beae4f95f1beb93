"""Events for the operator, such as a disabled subscription."""

from sqlalchemy import Column, Connection
from sqlmodel import Field, SQLModel

from receiver.storage.bulk import write
from receiver.storage.tables import NEVER_TWICE, SEQ, table


class OperatorEventRow(SQLModel, table=True):
    """An event. `subject`: id or name of the subscription, task or other thing that it is about."""

    __tablename__ = "operator_event"
    seq: int | None = Field(default=None, sa_column=Column(SEQ, primary_key=True))
    kind: str
    subject: str
    detail: str
    at: float = Field(index=True)

    __table_args__ = (NEVER_TWICE,)


OPERATOR_EVENT = table(OperatorEventRow)


def add_operator_event(connection: Connection, kind: str, subject: str, detail: str, at: float) -> None:
    """Store an event."""
    event = {"kind": kind, "subject": subject, "detail": detail, "at": at}
    write(connection, OPERATOR_EVENT, "add", [event])
