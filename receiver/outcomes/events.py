"""Outcome events: what is published about a task, and when.

The fold gives the present state of a task, whatever the order of its facts. It is compared with the events
published before. Each event is published once, except `task.reconciled`, which is published again whenever
the confirmed outcome changes.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import orjson

from receiver.domain.facts import CallRecord, id_time
from receiver.domain.frozen_record import frozen_record
from receiver.domain.moments import iso
from receiver.domain.numbers import e164
from receiver.domain.timeline import Timeline

EventType = Literal[
    "task.started",
    "task.attempt_started",
    "task.connected",
    "task.finished",
    "task.reconciled",
    "task.gone",
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)

PROOF: EventType = "task.reconciled"
"""Type of the event that proves a task's end."""

SCHEMA_VERSION = 1
"""Grows when a field is removed or changes its meaning. New fields may be added at any time."""

_MAX_TEXT = 1_000
"""Characters of a free text of the vendor, so that an event stays below 20 kB."""

_CONFIRMED = ("result", "raw_result", "failed_leg", "attempts", "cdr", "final", "talk_s", "gone")
"""Fields that `task.reconciled` confirms. A change of one of them is published again."""


@frozen_record
class PublishedEvent:
    """An event that was published. `number`: attempt of `task.attempt_started`, revision of
    `task.reconciled`, else 0.
    """

    type: str
    number: int
    data: Mapping[str, Any]


@frozen_record
class Outcome:
    """An event to be published. `at`: epoch seconds of what happened; `data`: see `describe`. A test event
    and an operator event have other types; `key` is then the subject.
    """

    id: str
    account: str
    key: str
    type: str
    number: int
    at: float
    data: Mapping[str, Any]


Published = Mapping[str, Sequence[PublishedEvent]]
"""Type → the task's published events of that type."""


def new_events(
    timeline: Timeline, published: Iterable[PublishedEvent], queue_name: str | None = None
) -> list[Outcome]:
    """Return the events that are not published yet, in order."""
    before: dict[str, list[PublishedEvent]] = {}
    for event in published:
        before.setdefault(event.type, []).append(event)
    if not _has_news(timeline, before):
        return []
    data = describe(timeline, queue_name)
    return [*_progress(timeline, before, data), *_end(timeline, before, data)]


def _last_attempt(before: Published) -> int:
    return max((event.number for event in before.get("task.attempt_started", ())), default=0)


def _has_news(timeline: Timeline, before: Published) -> bool:
    """Return whether there may be a new event. This check is cheaper than `describe`."""
    is_over, attempts = bool(before.get("task.finished")), timeline.attempt_bounds.low
    return (
        (attempts > _last_attempt(before) and not is_over and not before.get("task.connected"))
        or (attempts > 0 and not before.get("task.started"))
        or (timeline.finish_result == "success" and not before.get("task.connected"))
        or (timeline.state == "finished" and not is_over)
        or (timeline.gone and not before.get("task.gone"))
        or _is_confirmed(timeline)
    )


def _progress(timeline: Timeline, before: Published, data: Mapping[str, Any]) -> Iterator[Outcome]:
    attempts = timeline.attempt_bounds.low
    if attempts and not before.get("task.started"):
        yield _outcome(timeline, "task.started", 0, timeline.last_at, data)
    # After the end, the number of attempts is published with `task.reconciled`.
    if not before.get("task.finished") and not before.get("task.connected"):
        for number in range(_last_attempt(before) + 1, attempts + 1):
            detail = {**data, "attempts": number, "attempts_exact": True, "attempts_most": number}
            detail["attempt_started_at"] = _iso(timeline.attempts[number - 1].started_at)
            yield _outcome(timeline, "task.attempt_started", number, timeline.last_at, detail)
    if timeline.finish_result == "success" and not before.get("task.connected"):
        yield _outcome(timeline, "task.connected", 0, timeline.connected_at or timeline.last_at, data)


def _end(timeline: Timeline, before: Published, data: Mapping[str, Any]) -> Iterator[Outcome]:
    if timeline.state == "finished" and not before.get("task.finished"):
        yield _outcome(timeline, "task.finished", 0, timeline.finished_at or timeline.last_at, data)
    if timeline.gone and not before.get("task.gone"):
        yield _outcome(timeline, "task.gone", 0, timeline.last_at, data)
    if _is_confirmed(timeline):
        yield from _confirmation(timeline, before, data)


def _is_confirmed(timeline: Timeline) -> bool:
    """Return whether the API has confirmed the task's end, call history included."""
    is_over = timeline.state == "finished" and timeline.confidence == "reconciled"
    return is_over and (not timeline.missing_calls or timeline.settled)


def _confirmation(timeline: Timeline, before: Published, data: Mapping[str, Any]) -> Iterator[Outcome]:
    latest = max(before.get("task.reconciled", ()), key=lambda event: event.number, default=None)
    if latest and not _changes(latest.data, data):
        return
    ends = before.get("task.finished")
    changes = _changes(latest.data if latest else ends[0].data if ends else data, data)
    detail = {**data, "verdict": "corrected" if changes else "confirmed", "changes": changes}
    yield _outcome(timeline, "task.reconciled", latest.number + 1 if latest else 0, timeline.last_at, detail)


def _changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return, by field, the published and the present value of confirmed fields that differ."""
    return {
        name: {"was": was.get(name), "is": now[name]} for name in _CONFIRMED if was.get(name) != now[name]
    }


def _outcome(
    timeline: Timeline, event: EventType, number: int, at: float, data: Mapping[str, Any]
) -> Outcome:
    name = orjson.dumps([timeline.account, timeline.key, event, number])
    # Ids begin with the time, so that neighbors in time are neighbors in the index.
    event_id = f"evt_{id_time(timeline.last_at)}{hashlib.sha256(name).hexdigest()[:20]}"
    return Outcome(event_id, timeline.account, timeline.key, event, number, at, data)


def describe(timeline: Timeline, queue_name: str | None = None) -> dict[str, Any]:
    """Return the content of an event: JSON values, times in ISO 8601 (UTC), durations in seconds."""
    plan, call, verdict = timeline.plan, timeline.last_call, timeline.verdict
    is_over = timeline.state == "finished"
    record = next((leg["record_uuid"] for leg in call.legs if leg.get("record_uuid")), None) if call else None
    return {
        "account": timeline.account,
        "queue_id": timeline.queue_id,
        "queue_name": queue_name,
        "task_id": timeline.task_id,
        "ref": timeline.ref,
        "name": _text(plan.name) if plan else None,
        "state": timeline.state,
        "final": is_over or timeline.gone,
        "gone": timeline.gone,
        "result": verdict.result if is_over or timeline.finish_result else "unknown",
        "raw_result": _text(verdict.raw),
        "failed_leg": verdict.failed_leg if is_over else None,
        "attempts": timeline.attempt_bounds.low,
        "attempts_exact": timeline.attempt_bounds.exact,
        "attempts_most": timeline.attempt_bounds.high,
        "try_count": plan.try_count if plan else None,
        "a_number": _number(timeline.a_number, timeline.region),
        "b_number": _number(timeline.b_number, timeline.region),
        "extension_id": plan.extension_id if plan else None,
        "cdr": timeline.cdr,
        "calls": [*(call.call for call in timeline.calls), *timeline.missing_calls],
        "record": record,
        "ring_s": _ring(call),
        "talk_s": call.bridged_duration if call else None,
        "total_s": call.duration if call else None,
        "hangup_cause": call.hangup_cause if call else None,
        "hangup_party": call.hangup_disposition if call else None,
        "planned_at": _iso(timeline.planned_at),
        "first_at": _iso(timeline.first_at),
        "attempt_started_at": _iso(timeline.attempts[-1].started_at if timeline.attempts else None),
        "connected_at": _iso(timeline.connected_at),
        "finished_at": _iso(timeline.finished_at),
        "confidence": timeline.confidence,
    }


def _iso(at: float | None) -> str | None:
    return None if at is None else iso(at)


def _text(text: str | None) -> str | None:
    return text[:_MAX_TEXT] if text else text


def _number(number: str | None, region: str) -> dict[str, str | None] | None:
    return {"raw": number, "e164": e164(number, region)} if number else None


def _ring(call: CallRecord | None) -> float | None:
    """Return the seconds until both sides were connected, or until the call ended."""
    if call is None or call.duration is None:
        return None
    if call.bridged_at is not None and call.init_at is not None:
        return round(max(0.0, call.bridged_at - call.init_at), 3)
    return call.duration
