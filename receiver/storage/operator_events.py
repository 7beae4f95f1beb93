"""Events that the operator should see: their table, and how one is added."""

from sqlalchemy import Column, Connection
from sqlmodel import Field, SQLModel

from receiver.storage.bulk import write
from receiver.storage.tables import NEVER_TWICE, SEQ, table


class OperatorEventRow(SQLModel, table=True):
    """Something that the operator should know, such as a subscription that was disabled."""

    __tablename__ = "operator_event"
    seq: int | None = Field(default=None, sa_column=Column(SEQ, primary_key=True))
    kind: str
    subject: str
    detail: str
    at: float = Field(index=True)

    __table_args__ = (NEVER_TWICE,)


OPERATOR_EVENT = table(OperatorEventRow)


def tell_operator(connection: Connection, kind: str, subject: str, detail: str, at: float) -> None:
    """Keep something that the operator should know. `subject`: the id or name of what it is about."""
    event = {"kind": kind, "subject": subject, "detail": detail, "at": at}
    write(connection, OPERATOR_EVENT, "add", [event])
