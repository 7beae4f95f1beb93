"""Errors as answers: one table of error → status."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ValidationError

from receiver.domain.validation import validation_kind, validation_text
from receiver.errors import (
    ConflictError,
    ForbiddenError,
    InputError,
    InvalidTokenError,
    NotFoundError,
    NotInstalledError,
    ReceiverError,
    SchedulerError,
    StoreError,
    StoreUnavailableError,
    TimeLimitError,
    TooManyReadsError,
)
from receiver.http.schemas import Problem, ProblemAnswer

if TYPE_CHECKING:
    from starlette.responses import Response

RETRY_AFTER_S = 5


class ProblemType(NamedTuple):
    """How a kind of error is answered. `message`: instead of the error's text, if that is for operators."""

    status: int
    code: str
    message: str | None = None
    headers: Mapping[str, str] = {}


_RETRY = {"Retry-After": str(RETRY_AFTER_S)}

PROBLEM_TYPES: dict[type[ReceiverError], ProblemType] = {
    InputError: ProblemType(400, "bad_input"),
    InvalidTokenError: ProblemType(401, "unauthorized", headers={"WWW-Authenticate": "Bearer"}),
    ForbiddenError: ProblemType(403, "forbidden"),
    NotFoundError: ProblemType(404, "not_found"),
    ConflictError: ProblemType(409, "conflict"),
    NotInstalledError: ProblemType(501, "not_installed"),
    SchedulerError: ProblemType(502, "scheduler_failed"),
    StoreUnavailableError: ProblemType(
        503, "unavailable", f"the store cannot answer now: try again in {RETRY_AFTER_S} seconds", _RETRY
    ),
    TimeLimitError: ProblemType(
        503,
        "too_slow",
        "this took too long: ask for a shorter period, or one account or queue, or try again later",
        _RETRY,
    ),
    TooManyReadsError: ProblemType(
        503,
        "too_many",
        f"too many long answers are being made already: try again in {RETRY_AFTER_S} seconds",
        _RETRY,
    ),
    StoreError: ProblemType(500, "store_failed", "the store could not answer this: see the receiver's log"),
    ReceiverError: ProblemType(500, "failed", "this could not be done: see the receiver's log"),
}
"""Error → its answer; the nearest class counts."""


def answer_to(error: ReceiverError) -> "Response":
    """Return the answer to a request that raised this error."""
    kind = problem_type(error)
    field = error.field if isinstance(error, InputError) else None
    return problem(kind.status, kind.code, message_of(error, kind), field=field, headers=kind.headers)


def problem_type(error: ReceiverError) -> ProblemType:
    """Return how an error is answered."""
    return next(PROBLEM_TYPES[cls] for cls in type(error).__mro__ if cls in PROBLEM_TYPES)


def message_of(error: ReceiverError, kind: ProblemType) -> str:
    """Return the text for the caller: what is wrong and what to do next."""
    return str(error) if kind.message is None else kind.message


def problem(
    status: int,
    code: str,
    message: str,
    *,
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> "Response":
    """Return an error answer. `message`: what is wrong and what to do next."""
    from starlette.responses import JSONResponse  # noqa: PLC0415 -- commands answer nothing over HTTP

    answer = ProblemAnswer(error=Problem(code=code, message=message, field=field))
    return JSONResponse(answer.model_dump(), status, {"Cache-Control": "no-store", **(headers or {})})


def input_error(error: ValidationError, model: type[BaseModel]) -> InputError:
    """Return the first error of parameters; the value itself is not repeated."""
    first = error.errors(include_url=False, include_input=False)[0]
    names = ", ".join(model.model_fields)
    text = validation_text(first)
    if first["type"] == "extra_forbidden":
        text = f"not known here; known: {names}" if names else "not known here, nor any other"
    return InputError(str(first["loc"][0]) if first["loc"] else "body", text, validation_kind(first))
