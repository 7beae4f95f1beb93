"""The kinds of values that come in as parameters and go out in answers."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, StringConstraints, WithJsonSchema

from receiver.domain.moments import iso, read_time

State = Literal["new", "scheduled", "executed", "delayed", "connected", "finished", "gone", "withdrawn"]
Result = Literal["success", "failed"]
Confidence = Literal["events", "reconciled"]

Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
"""A text to look for."""


def seq_of(text: str) -> int | None:
    """The number of a row; None for what no row can have."""
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _read_moment(value: object) -> float:
    # A "+" that nobody escaped arrives as a space: "…T10:00:00 03:00".
    text = str(value)
    at = read_time(text.replace(" ", "+") if "T" in text else text)
    if at is None:
        raise ValueError("ISO 8601, such as 2026-03-01T09:30:00Z, or seconds since the epoch")
    return at


def _read_flag(value: object) -> object:
    if value not in ("true", "false"):
        raise ValueError("true or false")
    return value == "true"


_EPOCH = {"type": "number", "minimum": 1_000_000_000, "exclusiveMaximum": 100_000_000_000}

When = Annotated[
    float,
    BeforeValidator(_read_moment),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, _EPOCH]}),
]
"""A moment as a parameter: ISO 8601 (UTC where it names no zone) or epoch seconds."""

Flag = Annotated[bool, BeforeValidator(_read_flag)]
"""A parameter that is true or false."""

Moment = Annotated[
    float,
    PlainSerializer(iso, return_type=str),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-03-01T09:30:00.000Z"]},
        mode="serialization",
    ),
]
"""A moment in an answer: epoch seconds within, ISO 8601 outside."""

Json = dict[str, Any]
