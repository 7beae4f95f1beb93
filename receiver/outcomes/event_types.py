"""The types of outcome events: a description, a JSON Schema and an example of each."""

from typing import Any

from receiver.domain.results import CALL_RESULTS
from receiver.outcomes.events import SCHEMA_VERSION, EventType

ABOUT: dict[EventType, str] = {
    "task.started": "The first attempt has begun.",
    "task.attempt_started": "An attempt has begun; `attempts` says which.",
    "task.connected": "Both sides were connected.",
    "task.finished": "The task has ended, as far as is known.",
    "task.reconciled": "The API has confirmed or corrected how the task ended; `changes` lists the "
    "corrections. Published again if the outcome changes later.",
    "task.gone": "The scheduler does not have the task any more: it was deleted.",
}

_TEXT: dict[str, Any] = {"type": ["string", "null"]}
_MOMENT: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_SECONDS: dict[str, Any] = {"type": ["number", "null"], "description": "Seconds."}
_NUMBER: dict[str, Any] = {
    "type": ["object", "null"],
    "properties": {"raw": {"type": "string"}, "e164": _TEXT},
    "required": ["raw", "e164"],
}

_DATA: dict[str, dict[str, Any]] = {
    "account": {"type": "string"},
    "queue_id": _TEXT,
    "task_id": {**_TEXT, "description": "The vendor's id."},
    "ref": {**_TEXT, "description": "Our own id of the task."},
    "name": _TEXT,
    "state": {"type": "string"},
    "final": {"type": "boolean", "description": "Whether nothing more will happen to the task."},
    "gone": {"type": "boolean"},
    "result": {"type": "string", "enum": list(CALL_RESULTS)},
    "raw_result": {**_TEXT, "description": "The vendor's word from which the result was read."},
    "failed_leg": {"type": ["string", "null"], "enum": ["a", "b", "unknown", None]},
    "attempts": {"type": "integer", "minimum": 0, "description": "Minimum number of attempts."},
    "attempts_exact": {"type": "boolean"},
    "attempts_most": {"type": ["integer", "null"]},
    "try_count": {"type": ["integer", "null"], "description": "Maximum number of attempts by the plan."},
    "a_number": _NUMBER,
    "b_number": _NUMBER,
    "extension_id": _TEXT,
    "cdr": {**_TEXT, "description": "UUID of the latest call."},
    "calls": {"type": "array", "items": {"type": "string"}},
    "record": {**_TEXT, "description": "UUID of the recording."},
    "ring_s": _SECONDS,
    "talk_s": _SECONDS,
    "total_s": _SECONDS,
    "hangup_cause": _TEXT,
    "hangup_party": _TEXT,
    "planned_at": _MOMENT,
    "first_at": _MOMENT,
    "attempt_started_at": {**_MOMENT, "description": "Start of the last attempt, if known."},
    "connected_at": _MOMENT,
    "finished_at": _MOMENT,
    "confidence": {"type": "string", "enum": ["events", "reconciled"]},
}

_PROOF: dict[str, dict[str, Any]] = {
    "verdict": {"type": "string", "enum": ["confirmed", "corrected"]},
    "changes": {
        "type": "object",
        "additionalProperties": {"type": "object", "required": ["was", "is"]},
        "description": "Field → the value published before, and the present one.",
    },
}

_CALL = "0b6f3a52-7c1e-4a7b-9d52-1f0e6a8c2b11"
_EXAMPLE: dict[str, Any] = {
    "account": "main",
    "queue_id": "17",
    "task_id": "90210",
    "ref": "5f1d8a0c9be64a7e8f20b1c3d4e5f607",
    "name": "call back",
    "state": "finished",
    "final": True,
    "gone": False,
    "result": "connected",
    "raw_result": "success",
    "failed_leg": None,
    "attempts": 2,
    "attempts_exact": True,
    "attempts_most": 2,
    "try_count": 3,
    "a_number": {"raw": "+79990000001", "e164": "+79990000001"},
    "b_number": {"raw": "89990000002", "e164": "+79990000002"},
    "extension_id": "305",
    "cdr": _CALL,
    "calls": [_CALL],
    "record": "9d0c2c1e-5a7f-4a66-8a4e-0f1d2c3b4a59",
    "ring_s": 18.0,
    "talk_s": 64.0,
    "total_s": 82.0,
    "hangup_cause": "NORMAL_CLEARING",
    "hangup_party": "caller_bye",
    "planned_at": "2026-03-01T09:30:00.000Z",
    "first_at": "2026-03-01T09:30:00.412Z",
    "attempt_started_at": "2026-03-01T09:31:02.000Z",
    "connected_at": "2026-03-01T09:31:20.000Z",
    "finished_at": "2026-03-01T09:32:24.731Z",
    "confidence": "reconciled",
}


def schema(event: EventType) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a whole event. Later versions may add fields; these ones stay."""
    data = {**_DATA, **(_PROOF if event == "task.reconciled" else {})}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event,
        "description": ABOUT[event],
        "type": "object",
        "required": ["id", "type", "schema_version", "timestamp", "data"],
        "properties": {
            "id": {"type": "string", "description": "The same in every delivery of the event."},
            "type": {"const": event},
            "schema_version": {"const": SCHEMA_VERSION},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {"type": "object", "required": list(data), "properties": data},
        },
    }


def example(event: EventType) -> dict[str, Any]:
    """Return an example of an event."""
    data = dict(_EXAMPLE)
    if event == "task.reconciled":
        data |= {"verdict": "corrected", "changes": {"talk_s": {"was": None, "is": 64.0}}}
    else:
        data |= {"confidence": "events", "record": None, "ring_s": None, "talk_s": None, "total_s": None}
    return {
        "id": "evt_4f0c2f7f5d1b4b0e9a3c6d2e8f7a1b0c",
        "type": event,
        "schema_version": SCHEMA_VERSION,
        "timestamp": "2026-03-01T09:32:24.731Z",
        "data": data,
    }
