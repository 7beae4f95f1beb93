"""Errors as answers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from receiver.errors import (
    InputError,
    NotFoundError,
    NotInstalledError,
    ReceiverError,
    StoreError,
    StoreUnavailableError,
    TimeLimitError,
    TooManyReadsError,
)
from receiver.http.schemas import Problem, ProblemAnswer

if TYPE_CHECKING:
    from starlette.responses import Response

RETRY_AFTER_S = 5

STATUS: dict[type[ReceiverError], tuple[int, str]] = {
    InputError: (400, "bad_input"),
    NotFoundError: (404, "not_found"),
    NotInstalledError: (501, "not_installed"),
    StoreUnavailableError: (503, "unavailable"),
    TimeLimitError: (503, "too_slow"),
    TooManyReadsError: (503, "too_many"),
    StoreError: (500, "store_failed"),
    ReceiverError: (500, "failed"),
}
"""What an error of our tree is over HTTP; the nearest class counts."""

_OWN_WORDS = {
    "unavailable": f"the store cannot answer now: try again in {RETRY_AFTER_S} seconds",
    "too_slow": "this took too long: ask for a shorter period, or one account or queue, or try again later",
    "too_many": f"too many long answers are being made already: try again in {RETRY_AFTER_S} seconds",
    "store_failed": "the store could not answer this: see the receiver's log",
    "failed": "this could not be done: see the receiver's log",
}
"""Instead of the error's text, where that speaks to operators."""


def answer_to(error: ReceiverError) -> "Response":
    """The answer to a request that raised this."""
    status, code = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    field = error.field if isinstance(error, InputError) else None
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    return problem(status, code, _OWN_WORDS.get(code, str(error)), field=field, headers=headers)


def problem(
    status: int,
    code: str,
    message: str,
    *,
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> "Response":
    """An error answer. `message` says what to do next."""
    from starlette.responses import JSONResponse  # noqa: PLC0415 -- commands answer nothing over HTTP

    answer = ProblemAnswer(error=Problem(code=code, message=message, field=field))
    return JSONResponse(answer.model_dump(), status, {"Cache-Control": "no-store", **(headers or {})})


def input_error(error: ValidationError, model: type[BaseModel]) -> InputError:
    """The first thing that is wrong with what was asked; the value itself is not repeated."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = str(first["loc"][0]) if first["loc"] else "body"
    return InputError(field, _words(first, model))


def _words(detail: ErrorDetails, model: type[BaseModel]) -> str:
    names = ", ".join(model.model_fields)
    special: dict[str, Any] = {
        "extra_forbidden": f"not known here; known: {names}" if names else "not known here, nor any other",
        "value_error": detail["msg"].removeprefix("Value error, "),
    }
    text: str = special.get(detail["type"], detail["msg"])
    return text
