"""What everybody writes in an afternoon: FastAPI, SQLModel, a session per request, a commit per request."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import BigInteger, event
from sqlmodel import Field, Session, SQLModel, create_engine


class Hook(BaseModel):
    """The body of a hook."""

    model_config = ConfigDict(extra="allow")
    EventID: str
    EventType: str
    EventTime: int
    CallID: str
    CallStatus: str
    CallerIDNum: str
    CalledNumber: str
    task_id: str
    scheduler_id: str
    attempt: int


class HookEvent(SQLModel, table=True):
    """One event, once."""

    id: int | None = Field(default=None, primary_key=True)
    event_id: str = Field(unique=True)
    event_type: str
    event_time: int = Field(sa_type=BigInteger)
    call_id: str
    call_status: str
    caller: str
    called: str
    task_id: str = Field(index=True)
    queue_id: str
    attempt: int
    received_at: datetime
    body: str


DATABASE_URL = os.environ["DATABASE_URL"]
_sqlite = DATABASE_URL.startswith("sqlite")
engine = create_engine(DATABASE_URL, connect_args={"check_same_thread": False} if _sqlite else {})

if _sqlite:

    @event.listens_for(engine, "connect")
    def as_durable_as_the_others(connection: Any, _record: object) -> None:
        """And no slower than need be: WAL, and waiting where another thread writes."""
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")


SQLModel.metadata.create_all(engine)
app = FastAPI()


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


@app.post("/hook")
def hook(hook: Hook, session: Annotated[Session, Depends(get_session)]) -> dict[str, str]:
    """Stored and committed when it is answered."""
    session.add(
        HookEvent(
            event_id=hook.EventID,
            event_type=hook.EventType,
            event_time=hook.EventTime,
            call_id=hook.CallID,
            call_status=hook.CallStatus,
            caller=hook.CallerIDNum,
            called=hook.CalledNumber,
            task_id=hook.task_id,
            queue_id=hook.scheduler_id,
            attempt=hook.attempt,
            received_at=datetime.now(UTC),
            body=hook.model_dump_json(),
        )
    )
    session.commit()
    return {"status": "recorded"}
