"""Outcome events: what a subscriber is told of a task, and when there is something new to tell.

A fold says what is so now, whatever came in which order; here it is compared with what has been told already.
Each event is told once, but for `task.reconciled`, which is told again whenever the proven outcome changes.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import orjson

from receiver.domain.facts import CallSaid, id_time
from receiver.domain.frozen_record import shape
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

SCHEMA_VERSION = 1
"""Grows when a field is taken away or comes to mean something else; new fields may come at any time."""

_MOST_TEXT = 1_000
"""Characters of a free text of the vendor's: an event stays below 20 kB."""

_WHEN_PROVEN = ("result", "raw_result", "failed_leg", "attempts", "cdr", "final", "talk_s", "gone")
"""What a proven outcome is about: a change of one of these is told again."""


@shape(frozen=True, slots=True)
class Told:
    """An event that was told. `number`: the attempt of `task.attempt_started`, the revision of
    `task.reconciled`, else 0.
    """

    type: str
    number: int
    data: Mapping[str, Any]


@shape(frozen=True, slots=True)
class Outcome:
    """An event to be told. `at`: epoch seconds of what it is about; `data`: see `describe`."""

    id: str
    account: str
    key: str
    type: EventType
    number: int
    at: float
    data: Mapping[str, Any]


def news(timeline: Timeline, told: Iterable[Told]) -> list[Outcome]:
    """What is so and has not been told, in the order in which it is to be told."""
    before: dict[str, list[Told]] = {}
    for each in told:
        before.setdefault(each.type, []).append(each)
    if not _is_something_new(timeline, before):
        return []
    data = describe(timeline)
    return [*_of_the_way(timeline, before, data), *_of_the_end(timeline, before, data)]


Before = Mapping[str, Sequence[Told]]


def _is_something_new(timeline: Timeline, before: Before) -> bool:
    """Whether to look closer; to describe a task costs more than to look."""
    last = max((each.number for each in before.get("task.attempt_started", ())), default=0)
    is_over = bool(before.get("task.finished"))
    return (
        (timeline.attempts.low > last and not is_over and not before.get("task.connected"))
        or (timeline.attempts.low > 0 and not before.get("task.started"))
        or (timeline.finish_result == "success" and not before.get("task.connected"))
        or (timeline.state == "finished" and not is_over)
        or (timeline.gone and not before.get("task.gone"))
        or is_proven(timeline)
    )


def _of_the_way(timeline: Timeline, before: Before, data: Mapping[str, Any]) -> Iterator[Outcome]:
    begun = timeline.attempts.low
    if begun and not before.get("task.started"):
        yield _outcome(timeline, "task.started", 0, timeline.last_at, data)
    # After the end, how many attempts there were is told with the proof.
    if not before.get("task.finished") and not before.get("task.connected"):
        last = max((each.number for each in before.get("task.attempt_started", ())), default=0)
        for number in range(last + 1, begun + 1):
            detail = {**data, "attempts": number, "attempts_exact": True, "attempts_most": number}
            detail["attempt_started_at"] = _moment(timeline.made[number - 1].started_at)
            yield _outcome(timeline, "task.attempt_started", number, timeline.last_at, detail)
    if timeline.finish_result == "success" and not before.get("task.connected"):
        yield _outcome(timeline, "task.connected", 0, timeline.connected_at or timeline.last_at, data)


def _of_the_end(timeline: Timeline, before: Before, data: Mapping[str, Any]) -> Iterator[Outcome]:
    ended = timeline.finished_at or timeline.last_at
    if timeline.state == "finished" and not before.get("task.finished"):
        yield _outcome(timeline, "task.finished", 0, ended, data)
    if timeline.gone and not before.get("task.gone"):
        yield _outcome(timeline, "task.gone", 0, timeline.last_at, data)
    if is_proven(timeline):
        yield from _of_the_proof(timeline, before, data)


def is_proven(timeline: Timeline) -> bool:
    """Whether the API has said all that it has to say of the task's end, call history included."""
    over = timeline.state == "finished" and timeline.confidence == "reconciled"
    return over and (not timeline.wanting or timeline.settled)


def _of_the_proof(timeline: Timeline, before: Before, data: Mapping[str, Any]) -> Iterator[Outcome]:
    proofs = before.get("task.reconciled", ())
    latest = max(proofs, key=lambda each: each.number, default=None)
    if latest and not _changes(latest.data, data):
        return
    reference = latest.data if latest else next((each.data for each in before.get("task.finished", ())), data)
    changes = _changes(reference, data)
    number = latest.number + 1 if latest else 0
    detail = {**data, "verdict": "corrected" if changes else "confirmed", "changes": changes}
    yield _outcome(timeline, "task.reconciled", number, timeline.last_at, detail)


def _changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Name → what was told and what is so, of what a proven outcome is about."""
    return {
        name: {"was": was.get(name), "is": now[name]} for name in _WHEN_PROVEN if was.get(name) != now[name]
    }


def _outcome(
    timeline: Timeline, event: EventType, number: int, at: float, data: Mapping[str, Any]
) -> Outcome:
    name = orjson.dumps([timeline.account, timeline.key, event, number])
    return Outcome(
        # The time comes first, so that ids sort by it and lie side by side in the index.
        f"evt_{id_time(timeline.last_at)}{hashlib.sha256(name).hexdigest()[:20]}",
        timeline.account,
        timeline.key,
        event,
        number,
        at,
        data,
    )


def describe(timeline: Timeline) -> dict[str, Any]:
    """An outcome as it is published: JSON values, times in ISO 8601 (UTC), durations in seconds."""
    plan, call, verdict = timeline.plan, timeline.last_call, timeline.verdict
    is_over = timeline.state == "finished"
    record = next((leg["record_uuid"] for leg in call.legs if leg.get("record_uuid")), None) if call else None
    return {
        "account": timeline.account,
        "queue_id": timeline.queue_id,
        "task_id": timeline.task_id,
        "ref": timeline.ref,
        "name": _text(plan.name) if plan else None,
        "state": timeline.state,
        "final": is_over or timeline.gone,
        "gone": timeline.gone,
        "result": verdict.result if is_over or timeline.finish_result else "unknown",
        "raw_result": _text(verdict.raw),
        "failed_leg": verdict.failed_leg if is_over else None,
        "attempts": timeline.attempts.low,
        "attempts_exact": timeline.attempts.exact,
        "attempts_most": timeline.attempts.high,
        "try_count": plan.try_count if plan else None,
        "a_number": _number(timeline.a_number, timeline.region),
        "b_number": _number(timeline.b_number, timeline.region),
        "extension_id": plan.extension_id if plan else None,
        "cdr": timeline.cdr,
        "calls": [*(each.call for each in timeline.calls), *timeline.wanting],
        "record": record,
        "ring_s": _ring(call),
        "talk_s": call.bridged_duration if call else None,
        "total_s": call.duration if call else None,
        "hangup_cause": call.hangup_cause if call else None,
        "hangup_party": call.hangup_disposition if call else None,
        "planned_at": _moment(timeline.planned_at),
        "first_at": _moment(timeline.first_at),
        "attempt_started_at": _moment(timeline.made[-1].started_at if timeline.made else None),
        "connected_at": _moment(timeline.connected_at),
        "finished_at": _moment(timeline.finished_at),
        "confidence": timeline.confidence,
    }


def _moment(at: float | None) -> str | None:
    """As `iso` puts it, where there is one."""
    return None if at is None else iso(at)


def _text(text: str | None) -> str | None:
    return text[:_MOST_TEXT] if text else text


def _number(number: str | None, region: str) -> dict[str, str | None] | None:
    return {"raw": number, "e164": e164(number, region)} if number else None


def _ring(call: CallSaid | None) -> float | None:
    """Seconds until the two were connected, or until it was given up."""
    if call is None or call.duration is None:
        return None
    if call.bridged_at is not None and call.init_at is not None:
        return round(max(0.0, call.bridged_at - call.init_at), 3)
    return call.duration
