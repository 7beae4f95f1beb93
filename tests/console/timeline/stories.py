"""Stories as the API answers them, made by hand: attempts, hooks, answers, deliveries."""

from collections.abc import Sequence
from typing import Any

from receiver.domain.attempts import Attempt
from receiver.domain.facts import EVENTS
from receiver.story.schemas import Story
from receiver.story.times import Times

T0 = 1_772_357_400.0
"""2026-03-01T09:30:00Z."""

TIMES = Times("UTC", T0 + 7200)

Json = dict[str, Any]


def task(**changes: Any) -> Json:
    count = dict.fromkeys(("expected", "arrived", "duplicates", "lost", "suspected"), 0)
    row: Json = dict.fromkeys(
        (
            *("ref", "task_id", "queue_id", "name", "finish_comment", "cdr", "attempts_most", "try_count"),
            *("planned_at", "finished_at", "a_number", "b_number", "extension_id"),
        )
    )
    row |= {
        "account": "main",
        "key": "r1",
        "state": "finished",
        "finish_result": "success",
        "attempts": 1,
        "attempts_exact": True,
        "pause": 300.0,
        "confidence": "reconciled",
        "settled": True,
        "gone": False,
        "lost_hooks": 0,
        "suspected_hooks": 0,
        "first_at": T0,
        "last_at": T0 + 100,
        "hooks": dict.fromkeys(EVENTS, count),
    }
    return row | changes


def leg(side: str, dialed: float, ring: float, end: float, answered: bool = True) -> Json:
    return {
        "side": side,
        "number": "+791•••67",
        "answered": answered,
        "dialed_at": dialed,
        "answered_at": dialed + ring if answered else None,
        "ended_at": end,
        "result": "answered" if answered else "busy",
        "hangup_cause": None,
        "record": None,
        "recording": None,
    }


def attempt(number: int, at: float, talk: float = 0.0, **changes: Any) -> Json:
    """An attempt: A answers after 8 s, B after 15 s or not at all."""
    b_at = at + 8
    end = b_at + 15 + talk
    row: Json = dict.fromkeys(Attempt.__dataclass_fields__)
    del row["bridged"], row["verdict"]
    row |= {
        "number": number,
        "planned_at": at - 2,
        "started_at": at,
        "connected_at": b_at + 15 if talk else None,
        "ended_at": end,
        "late_s": 2.0,
        "pause_s": None,
        "connected": bool(talk),
        "reason": "connected" if talk else "busy",
        "raw_reason": None,
        "failed_leg": None,
        "legs": [],
        "dialed": [leg("a", at, 8, end), leg("b", b_at, 15, end, answered=bool(talk))],
    }
    return row | changes


def hook(event: str, *came: float, missing: int = 0, fate: str | None = None, **flags: Sequence[str]) -> Json:
    """The hooks of an event. `flags`: `first`, `last`: of the first and the last that came."""
    marks = [list(flags.get("first", ())), *([] for _ in came[1:])]
    marks[-1] += flags.get("last", ())
    return {
        "event": event,
        "expected": len(came) + missing,
        "arrived": len(came),
        "missing": missing,
        "fate": fate,
        "came": [
            {"at": at, "delivery_id": None, "flags": found} for at, found in zip(came, marks, strict=False)
        ],
    }


def fact(at: float, kind: str, **said: Any) -> Json:
    source = {"hook": "hook", "settled": "receiver"}.get(kind, "api")
    return {
        "at": at,
        "source": source,
        "kind": kind,
        "event": None,
        "delivery_id": None,
        "said": said,
        "flags": [],
    }


def event(at: float, type_: str) -> Json:
    return {"id": f"evt_{at}", "type": type_, "number": 0, "result": "connected", "at": at, "told_at": at}


def posting(at: float, number: int = 1, problem: str | None = None, status: int | None = 204) -> Json:
    return {
        "number": number,
        "at": at,
        "took_s": 0.034,
        "status": status,
        "answer": "",
        "problem": problem,
    }


def message(seq: int, type_: str, *postings: Json, **changes: Any) -> Json:
    return {
        "seq": seq,
        "account": "main",
        "key": "r1",
        "subscription": "sub_1",
        "event": f"evt_{seq}",
        "type": type_,
        "state": "delivered",
        "attempts": len(postings),
        "replay": 0,
        "made_at": T0,
        "due_at": T0,
        "settled_at": T0,
        "blocked_by": None,
        "postings": list(postings),
    } | changes


def subscriber(name: str, *messages: Json, subscription: str = "sub_1") -> Json:
    return {
        "subscription": subscription,
        "name": name,
        "state": "active",
        "failing_since": None,
        "problem": None,
        "messages": list(messages),
    }


def story(attempts: Sequence[Json] = (), **changes: Any) -> Story:
    given: Json = {
        "task": task(),
        "facts": [],
        "findings": [],
        "calls": [],
        "at": T0 + 7200,
        "zone": "UTC",
        "sentences": ["Called 1 of 1 time."],
        "waits": [],
        "contradictions": [],
        "attempts": list(attempts),
        "next_attempt_at": None,
        "hooks": [],
        "deliveries": [],
        "events": [],
        "subscribers": [],
        "same_number": [],
    }
    return Story.model_validate(given | changes)


def usual(count: int = 1, pause: float = 312.0) -> Story:
    """A task with this many attempts, of which the last one succeeds, all hooks, and one subscriber."""
    starts = [T0 + (23 + pause) * place for place in range(count)]
    attempts = [
        attempt(number, at, 64.0 if number == count else 0.0, pause_s=pause if number > 1 else None)
        for number, at in enumerate(starts, 1)
    ]
    end = attempts[-1]["ended_at"]
    again = [hook("before_again", *(at + 0.2 for at in starts[1:]))] if count > 1 else []
    return story(
        attempts,
        hooks=[
            hook("before", T0 + 0.1),
            *again,
            hook("success", starts[-1] + 23.3),
            hook("after", end + 0.4, end + 0.9, last=["duplicate"]),
        ],
        facts=[
            fact(T0 - 10, "task", status="scheduled"),
            fact(end + 3, "task", status="finished", finish_result="success"),
            fact(end + 4, "call", result="bridged"),
            fact(end + 304, "settled"),
        ],
        events=[event(T0 + 0.2, "task.started"), event(end + 3.1, "task.finished")],
        subscribers=[
            subscriber(
                "sales CRM",
                message(1, "task.started", posting(T0 + 0.3)),
                message(2, "task.finished", posting(end + 3.2, 1, "answered 503", 503), posting(end + 13, 2)),
            )
        ],
    )
