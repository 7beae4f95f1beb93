"""Tables of the inbox: batches that are not read yet, and batches that are set aside."""

from sqlalchemy import Column, Index, Integer, LargeBinary
from sqlmodel import Field, SQLModel

from receiver.storage.tables import NEVER_TWICE, SEQ, table


class InboxRow(SQLModel, table=True):
    """A batch of hooks that are not read yet (see `receiver.inbox.inbox`). `at`: when the first of them came;
    `count`: number of hooks; `size`: bytes of `batch`. Numbers are unique for ever.
    """

    __tablename__ = "inbox"
    number: int | None = Field(default=None, sa_column=Column(SEQ, primary_key=True))
    at: float
    count: int
    size: int = Field(sa_column=Column("bytes", Integer, nullable=False))
    batch: bytes = Field(sa_column=Column(LargeBinary, nullable=False))

    __table_args__ = (NEVER_TWICE,)


class SetAsideRow(SQLModel, table=True):
    """A batch that could not be read, nearly always of a single hook; it is retried at `retry_at`. `id`: of
    the delivery, or a generated one for a batch that cannot be decoded. `problem`: the last error and its
    place in the code, without any content.
    """

    __tablename__ = "set_aside"
    id: str = Field(primary_key=True)
    account: str | None = None
    event: str | None = None
    ref: str | None = None
    at: float
    count: int
    batch: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    failures: int
    retry_at: float
    problem: str

    __table_args__ = (Index("set_aside_by_retry", "retry_at"),)


INBOX = table(InboxRow)
SET_ASIDE = table(SetAsideRow)
