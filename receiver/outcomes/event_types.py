"""The types of events that subscriptions get: a description, a JSON Schema and an example of each."""

from typing import Any

from receiver.domain.reasons import CALL_RESULTS
from receiver.http.schemas import Json
from receiver.outcomes import operator_types
from receiver.outcomes.events import SCHEMA_VERSION, EventType
from receiver.outcomes.operator_types import OperatorEventType

AnyEventType = EventType | OperatorEventType

ABOUT: dict[AnyEventType, str] = {
    "task.started": "The first attempt has begun.",
    "task.attempt_started": "An attempt has begun; `attempts` says which.",
    "task.connected": "Both sides were connected.",
    "task.finished": "The task has ended, as far as is known.",
    "task.reconciled": "The API has confirmed or corrected how the task ended; `changes` lists the "
    "corrections. Published again if the outcome changes later.",
    "task.gone": "The scheduler does not have the task any more: it was deleted.",
    **{name: definition.about for name, definition in operator_types.TYPES.items()},
}

_TEXT: Json = {"type": ["string", "null"]}
_TIME: Json = {"type": ["string", "null"], "format": "date-time"}
_SECONDS: Json = {"type": ["number", "null"]}
_NUMBER: Json = {
    "type": ["object", "null"],
    "properties": {"raw": {"type": "string"}, "e164": _TEXT},
    "required": ["raw", "e164"],
}
_CALL = "0b6f3a52-7c1e-4a7b-9d52-1f0e6a8c2b11"

_FIELDS: dict[str, tuple[Json, Any]] = {
    "account": ({"type": "string", "description": "The receiver's name of the account."}, "main"),
    "queue_id": ({**_TEXT, "description": "The vendor's id of the queue."}, "17"),
    "queue_name": ({**_TEXT, "description": "Its name when the event was published."}, "call-backs"),
    "task_id": ({**_TEXT, "description": "The vendor's id."}, "90210"),
    "ref": ({**_TEXT, "description": "Our own id of the task."}, "5f1d8a0c9be64a7e8f20b1c3d4e5f607"),
    "name": ({**_TEXT, "description": "Name of the task."}, "call back"),
    "state": ({"type": "string", "description": "State of the task, such as `finished`."}, "finished"),
    "final": ({"type": "boolean", "description": "Whether nothing more will happen to the task."}, True),
    "gone": ({"type": "boolean", "description": "Whether the scheduler no longer has the task."}, False),
    "result": (
        {
            "type": "string",
            "enum": list(CALL_RESULTS),
            "description": "How the task ended; `unknown` while it is not known.",
        },
        "connected",
    ),
    "raw_result": (
        {**_TEXT, "description": "The vendor's word from which the result was read."},
        "success",
    ),
    "failed_leg": (
        {
            "type": ["string", "null"],
            "enum": ["a", "b", "unknown", None],
            "description": "The leg at which the task failed.",
        },
        None,
    ),
    "attempts": ({"type": "integer", "minimum": 0, "description": "Minimum number of attempts."}, 2),
    "attempts_exact": ({"type": "boolean", "description": "Whether `attempts` is exact."}, True),
    "attempts_most": ({"type": ["integer", "null"], "description": "Maximum number of attempts."}, 2),
    "try_count": (
        {"type": ["integer", "null"], "description": "Maximum number of attempts by the plan."},
        3,
    ),
    "a_number": (
        {**_NUMBER, "description": "Number of A, as given and in E.164."},
        {"raw": "+79990000001", "e164": "+79990000001"},
    ),
    "b_number": (
        {**_NUMBER, "description": "Number of B, as given and in E.164."},
        {"raw": "89990000002", "e164": "+79990000002"},
    ),
    "extension_id": ({**_TEXT, "description": "The vendor's id of the extension."}, "305"),
    "cdr": ({**_TEXT, "description": "UUID of the latest call."}, _CALL),
    "calls": ({"type": "array", "items": {"type": "string"}, "description": "UUIDs of all calls."}, [_CALL]),
    "record": (
        {**_TEXT, "description": "UUID of the recording."},
        "9d0c2c1e-5a7f-4a66-8a4e-0f1d2c3b4a59",
    ),
    "ring_s": ({**_SECONDS, "description": "Seconds of ringing."}, 18.0),
    "talk_s": ({**_SECONDS, "description": "Seconds of talk."}, 64.0),
    "total_s": ({**_SECONDS, "description": "Seconds of the whole call."}, 82.0),
    "hangup_cause": ({**_TEXT, "description": "Cause of the hangup in call history."}, "NORMAL_CLEARING"),
    "hangup_party": ({**_TEXT, "description": "Who hung up, by call history."}, "caller_bye"),
    "planned_at": ({**_TIME, "description": "Planned start."}, "2026-03-01T09:30:00.000Z"),
    "first_at": (
        {**_TIME, "description": "Time of the first fact about the task."},
        "2026-03-01T09:30:00.412Z",
    ),
    "attempt_started_at": (
        {**_TIME, "description": "Start of the last attempt, if known."},
        "2026-03-01T09:31:02.000Z",
    ),
    "connected_at": ({**_TIME, "description": "Time of the connection."}, "2026-03-01T09:31:20.000Z"),
    "finished_at": ({**_TIME, "description": "Time of the end."}, "2026-03-01T09:32:24.731Z"),
    "confidence": (
        {
            "type": "string",
            "enum": ["events", "reconciled"],
            "description": "`events`: known from hooks; `reconciled`: confirmed by the API.",
        },
        "reconciled",
    ),
}
"""Field of an event's data → JSON Schema, example."""

_CONFIRMATION: dict[str, tuple[Json, Any]] = {
    "verdict": (
        {
            "type": "string",
            "enum": ["confirmed", "corrected"],
            "description": "Whether the API confirmed or corrected the outcome published before.",
        },
        "corrected",
    ),
    "changes": (
        {
            "type": "object",
            "additionalProperties": {"type": "object", "required": ["was", "is"]},
            "description": "Field → the value published before, and the present one.",
        },
        {"talk_s": {"was": None, "is": 64.0}},
    ),
}
"""Fields that only `task.reconciled` has."""

_UNKNOWN_BEFORE = {"confidence": "events", "record": None, "ring_s": None, "talk_s": None, "total_s": None}
"""Values in examples of events before the API has confirmed them."""


_ADDED = ("queue_name",)
"""Fields that events of older versions lack."""


def _fields(event: AnyEventType) -> dict[str, tuple[Json, Any]]:
    if event in operator_types.TYPES:
        return operator_types.fields_of(event)
    return {**_FIELDS, **(_CONFIRMATION if event == "task.reconciled" else {})}


def schema(event: AnyEventType) -> Json:
    """Return the JSON Schema (2020-12) of a whole event. Later versions may add fields; these ones stay."""
    data = {name: field for name, (field, _) in _fields(event).items()}
    required = [name for name in data if name not in _ADDED]
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
            "data": {"type": "object", "required": required, "properties": data},
        },
    }


def example(event: AnyEventType) -> Json:
    """Return an example of an event."""
    data = {name: value for name, (_, value) in _fields(event).items()}
    if event.startswith("task.") and event != "task.reconciled":
        data |= _UNKNOWN_BEFORE
    return {
        "id": "evt_4f0c2f7f5d1b4b0e9a3c6d2e8f7a1b0c",
        "type": event,
        "schema_version": SCHEMA_VERSION,
        "timestamp": "2026-03-01T09:32:24.731Z",
        "data": data,
    }
