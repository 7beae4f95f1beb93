"""Value types of parameters and answers, and the answer to a request that failed."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer, StringConstraints, WithJsonSchema

from receiver.domain.moments import iso, read_time
from receiver.domain.validation import WITHOUT_NUL, RefusedValueError
from receiver.errors import ErrorKind

Json = dict[str, Any]

EXAMPLE_REF = "5f1d8a0c9be64a7e8f20b1c3d4e5f607"
EXAMPLE_CALL = "0b6f3a52-7c1e-4a7b-9d52-1f0e6a8c2b11"

State = Literal["new", "scheduled", "executed", "delayed", "connected", "finished", "gone", "withdrawn"]
Result = Literal["success", "failed"]
Confidence = Literal["events", "reconciled"]

Account = Annotated[str, Field(examples=["main"])]
Ref = Annotated[str, Field(examples=[EXAMPLE_REF])]
QueueId = Annotated[str, Field(examples=["17"])]
QueueName = Annotated[str, Field(description="null: not known.", examples=["call-backs"])]
CallId = Annotated[str, Field(examples=[EXAMPLE_CALL])]
Number = Annotated[str, Field(examples=["+791•••67"])]
Count = Annotated[int, Field(examples=[1])]
Seconds = Annotated[float, Field(examples=[60.0])]
NextCursor = Annotated[str, Field(examples=["WzE3NzIzNTc0MDAuMCwgIm1haW4iLCAiIzkwMjEwIl0"])]

Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=WITHOUT_NUL)]
"""Text to search for."""


def _read_moment(value: object) -> float:
    # A "+" that nobody escaped arrives as a space: "…T10:00:00 03:00".
    text = str(value)
    at = read_time(text.replace(" ", "+") if "T" in text else text)
    if at is None:
        raise RefusedValueError(
            "ISO 8601, such as 2026-03-01T09:30:00Z, or seconds since the epoch", ErrorKind("moment")
        )
    return at


def _read_flag(value: object) -> object:
    if value not in ("true", "false"):
        raise RefusedValueError("true or false", ErrorKind("bool"))
    return value == "true"


_EPOCH = {"type": "number", "minimum": 1_000_000_000, "exclusiveMaximum": 1e17}
"""Seconds, milliseconds or microseconds, by their size: see `read_time`."""

When = Annotated[
    float,
    BeforeValidator(_read_moment),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, _EPOCH]}),
]
"""A time as a parameter: ISO 8601 (UTC if it names no zone) or epoch seconds."""

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
"""A time in an answer: epoch seconds in Python, ISO 8601 in JSON."""


def read_seq(text: str) -> int | None:
    """Return the sequence number of a row; None for text that no row can have."""
    return int(text) if text.isdecimal() and len(text) < 19 else None


class DataRange(BaseModel):
    """The moments of the first and the last row."""

    first: Moment = Field(examples=["2026-03-01T09:30:00.000Z"])
    last: Moment = Field(examples=["2026-03-31T17:12:00.000Z"])


AVAILABLE: Any = Field(
    None,
    description="Only if there are no rows in the period: the first and the last row that fit all other "
    "parameters; null if there are none either.",
)
"""The field `available` of pages."""


class Problem(BaseModel):
    """Why a request was not served, and what to do next."""

    code: str
    message: str
    field: str | None = Field(description="The parameter or the field of the body that is wrong.")


class ProblemAnswer(BaseModel):
    """Every answer that is not a success."""

    error: Problem
