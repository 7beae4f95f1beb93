"""Small builders of facts. All are about one task unless told otherwise: ref `r1`, vendor's id `7`."""

from typing import Any

from receiver.domain.facts import (
    EVENTS,
    CallRecord,
    Event,
    Fact,
    HookEvent,
    QueueSnapshot,
    TaskGone,
    TaskSettled,
    TaskSnapshot,
    hook_fact,
    observation,
    queue_fact,
)
from receiver.ledger.append import Delivery

ACCOUNT, QUEUE, REF, TASK_ID = "acme", "5", "r1", "7"
ABOUT = (REF, TASK_ID)
PAUSE = 60.0
START = 1_000.0

About = tuple[str | None, str | None]


def hook(event: Event, at: float, *, about: About = (REF, None), copy: int = 0, **said: Any) -> Fact:
    """One delivery of an event; `copy` tells deliveries apart that came at the same time."""
    subject = about[0] or about[1]
    return hook_fact(ACCOUNT, f"{subject}-{event}-{at}-{copy}", at, HookEvent(event, **said), about)


def seen(status: str, at: float, *, about: About = ABOUT, **said: Any) -> Fact:
    """The scheduler's record of the task: by default 3 tries, 60 s apart, all four hooks ours."""
    plan: dict[str, Any] = {
        "queue_id": QUEUE,
        "try_count": 3,
        "pause": PAUSE,
        "start_at": START,
        "hooks": EVENTS,
    }
    return observation(ACCOUNT, at, TaskSnapshot(status, **(plan | said)), about)


def finished(result: str | None, at: float, **said: Any) -> Fact:
    """The scheduler's record of a task at its end."""
    return seen("finished", at, finish_result=result, **said)


def called(call: str, at: float, *, about: About = ABOUT, **said: Any) -> Fact:
    """Call history's record of one call."""
    return observation(ACCOUNT, at, CallRecord(call, **said), about)


def gone(at: float, *, about: About = ABOUT) -> Fact:
    return observation(ACCOUNT, at, TaskGone(), about)


def settled(at: float, *, about: About = ABOUT) -> Fact:
    return observation(ACCOUNT, at, TaskSettled(), about)


def queue(at: float, queue_id: str = QUEUE, status: str = "on", **said: Any) -> Fact:
    return queue_fact(ACCOUNT, at, QueueSnapshot(queue_id, status, **said))


def delivery(delivery_id: str, at: float = START, event: Event = "before") -> Delivery:
    """An inbound delivery as a row of `delivery`."""
    return Delivery(
        id=delivery_id,
        account=ACCOUNT,
        event=event,
        ref=REF,
        received_at=at,
        method="GET",
        query="",
        headers='[["host","hooks.example"]]',
        body=b"",
        peer="192.0.2.1",
        problem=None,
    )


def subscription(name: str = "crm", **changes: Any) -> dict[str, Any]:
    """One that is told everything, as soon as it is known, as a row of `subscription`."""
    row: dict[str, Any] = {
        "id": name,
        "name": name,
        "url": "http://crm.example/",
        "secrets": [],
        "filter": {},
        "format": "standard",
        "options": {},
        "order": "task",
        "certainty": "events",
        "max_wait_s": 900.0,
        "rate": None,
        "concurrency": 4,
        "state": "active",
        "created_at": 0.0,
        "updated_at": 0.0,
    }
    return row | changes
