"""The meaning of an answer: its error, or the records in it, in any envelope.

The finer kinds of errors are for this package only.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from receiver.domain.masking import mask_message
from receiver.errors import (
    QuotaExhaustedError,
    SchedulerAuthError,
    SchedulerError,
    SchedulerNotFoundError,
    SchedulerRefusedError,
    SchedulerUnreachableError,
)
from receiver.scheduler.wire import CallHistoryRecord

TOKEN = "token"  # noqa: S105 - the name of an operation
TASKS = ("tasks", "task", "results", "items")
QUEUES = ("task_schedulers", "results", "items")
_CALLS = ("call_history", "results", "items")
_BUSY = "stats request already exists"
_SHOWABLE_ID = re.compile(r"[A-Za-z0-9_.:@-]{1,64}")
M = TypeVar("M", bound=BaseModel)


class InDoubtError(SchedulerUnreachableError):
    """The request was sent and no usable answer came: the server may have acted on it."""


class TimedOutError(InDoubtError):
    """No answer in time."""


class BusyError(SchedulerUnreachableError):
    """The 429 of call history that is not the quota: another history call is running."""


class RedirectedError(SchedulerRefusedError):
    """3xx with a `Location`, which may be followed."""

    def __init__(self, text: str, status: int, location: str) -> None:
        super().__init__(text, status)
        self.location = location


class TokenRefusedError(SchedulerAuthError):
    """401: this token is not accepted; a new one may be."""


_ERRORS: Mapping[int, Callable[[str], SchedulerError]] = {
    401: TokenRefusedError,
    404: SchedulerNotFoundError,
    429: BusyError,
}
_OUTCOMES: tuple[tuple[type[SchedulerError], str], ...] = (
    (TimedOutError, "timeout"),
    (BusyError, "busy"),
    (SchedulerNotFoundError, "not_found"),
    (RedirectedError, "redirected"),
    (SchedulerRefusedError, "refused"),
    (SchedulerAuthError, "unauthorized"),
    (QuotaExhaustedError, "quota"),
)


def outcome_of(error: BaseException) -> str:
    """Return the metric label of a request that failed with this error."""
    return next((word for kind, word in _OUTCOMES if isinstance(error, kind)), "error")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read to its end. `headers` ignore case."""

    operation: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body's JSON. Raises InDoubtError if it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise self.unexpected() from None

    def text(self, name: str) -> str:
        """Return a text field of an error body; empty for a body of any other shape."""
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError):
            return ""
        value = body.get(name) if isinstance(body, dict) else None
        return value if isinstance(value, str) else ""

    def unexpected(self) -> InDoubtError:
        return InDoubtError(f"{self.operation}: the answer ({self.status}) has an unexpected shape")


@dataclass(frozen=True, slots=True)
class Salvaged(Generic[M]):
    """The readable records of a list. `broken`: the id of each unreadable one, or `#` and its position."""

    records: list[M]
    broken: tuple[str, ...] = ()


def is_quota(answer: Answer) -> bool:
    """Return whether a 429 is that of the quota, not that of concurrent history calls."""
    return answer.text("status") == "rate_limit_exceeded" or _BUSY not in answer.text("message").lower()


def refusal(answer: Answer, secrets: tuple[str, ...] = ()) -> SchedulerError | None:
    """Return the error of an answer (a quota 429 apart), or None for a success."""
    if 200 <= answer.status < 300:
        # HTML or XML is a login or the error of a proxy, whatever its type says.
        is_page = answer.body[:64].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"
        return answer.unexpected() if is_page else None
    is_login = answer.operation == TOKEN
    reason = mask_message(answer.text("error" if is_login else "message"), secrets)
    text = f"{answer.operation}: {answer.status} {reason}".rstrip()
    if is_login and 400 <= answer.status < 500 and answer.status != 429:
        return SchedulerAuthError(text)
    if answer.status in _ERRORS:
        return _ERRORS[answer.status](text)
    if 400 <= answer.status < 500:
        return SchedulerRefusedError(text, answer.status)
    location = answer.headers.get("location")
    if 300 <= answer.status < 400 and location:
        return RedirectedError(f"{text} (redirected; correct base_url)", answer.status, location)
    return InDoubtError(text)


def records(answer: Answer, model: type[M], names: tuple[str, ...]) -> list[M]:
    """Return all records of a list: a bare array, an envelope under one of the names, or a single object."""
    return [_parsed(answer, model, item) for item in _items(answer, answer.json(), names)]


def salvage(answer: Answer, model: type[M], names: tuple[str, ...]) -> Salvaged[M]:
    """Return the readable records of a list. Raises InDoubtError if no item looks like a record."""
    items, good, broken = _items(answer, answer.json(), names), [], []
    has_ids = False
    for position, item in enumerate(items, start=1):
        try:
            good.append(model.model_validate(item))
        except (ValidationError, RecursionError):
            found = item.get("id") if isinstance(item, dict) else None
            is_showable = found is not None and _SHOWABLE_ID.fullmatch(str(found))
            has_ids = has_ids or bool(is_showable)
            broken.append(str(found) if is_showable else f"#{position}")
    if broken and not good and not has_ids:
        raise answer.unexpected()
    return Salvaged(good, tuple(broken))


def record(answer: Answer, model: type[M], names: tuple[str, ...]) -> M:
    """Return the one record of an answer, bare or wrapped."""
    body = answer.json()
    if isinstance(body, dict) and body.get("id") is not None:
        return _parsed(answer, model, body)
    items = _items(answer, body, names)
    if len(items) != 1:
        raise answer.unexpected()
    return _parsed(answer, model, items[0])


def call_record(answer: Answer, uuid: str) -> CallHistoryRecord:
    """Return the call with this uuid, bare or wrapped. A record without a uuid is taken for it."""
    body = answer.json()
    if isinstance(body, dict) and any(name in body for name in _CALLS):
        body = next(iter(_items(answer, body, _CALLS)), None)
    if not isinstance(body, dict) or not body:
        raise answer.unexpected()
    return _parsed(answer, CallHistoryRecord, {**body, "call_uuid": body.get("call_uuid") or uuid})


def _items(answer: Answer, body: Any, names: tuple[str, ...]) -> list[Any]:
    if isinstance(body, list):
        return body
    if not isinstance(body, dict):
        raise answer.unexpected()
    inner = next((body[name] or [] for name in names if name in body), None)
    if isinstance(inner, list):
        return inner
    if isinstance(inner, dict):
        return [inner]
    if body.get("id") is not None:
        return [body]
    raise answer.unexpected()


def _parsed(answer: Answer, model: type[M], item: Any) -> M:
    try:
        return model.model_validate(item)
    except (ValidationError, RecursionError):
        raise answer.unexpected() from None
