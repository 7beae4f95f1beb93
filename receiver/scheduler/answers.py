"""What an answer means: its error, or the records in it, whatever they are wrapped in."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from receiver.domain.masking import mask_message
from receiver.errors import SchedulerError, SchedulerNotFoundError, SchedulerRefusedError
from receiver.scheduler.faults import BusyError, InDoubtError, RedirectedError, UnauthorizedError
from receiver.scheduler.wire import CallRecord

TASKS = ("tasks", "task", "results", "items")
QUEUES = ("task_schedulers", "results", "items")
CALLS = ("call_history", "results", "items")
_BUSY = "stats request already exists"
_SHOWN = re.compile(r"[A-Za-z0-9_.:@-]{1,64}")
_MEANT: Mapping[int, Callable[[str], SchedulerError]] = {
    401: UnauthorizedError,
    404: SchedulerNotFoundError,
    429: BusyError,
}
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read to its end. `headers` know no case."""

    operation: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body's JSON; what is not JSON is a fault of the server."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise self.unexpected() from None

    def unexpected(self) -> InDoubtError:
        return InDoubtError(f"{self.operation}: the answer ({self.status}) has an unexpected shape")


def is_quota(answer: Answer) -> bool:
    """A 429 of the quota, not the one of concurrent history calls."""
    return answer.status == 429 and (
        _field(answer, "status") == "rate_limit_exceeded" or _BUSY not in _field(answer, "message").lower()
    )


def refusal(answer: Answer, secrets: tuple[str, ...] = ()) -> SchedulerError | None:
    """The error that an answer is (a quota 429 apart), or None for a success. A page for people is none."""
    if answer.ok:
        return answer.unexpected() if _is_page(answer) else None
    text = f"{answer.operation}: {answer.status} {mask_message(_field(answer, 'message'), secrets)}".rstrip()
    if answer.status in _MEANT:
        return _MEANT[answer.status](text)
    if 400 <= answer.status < 500:
        return SchedulerRefusedError(text, answer.status)
    return _redirect(answer, text) or InDoubtError(text)


def _redirect(answer: Answer, text: str) -> RedirectedError | None:
    location = answer.headers.get("location")
    if not 300 <= answer.status < 400 or not location:
        return None
    return RedirectedError(f"{text} (redirected; correct base_url)", answer.status, location)


def records(answer: Answer, model: type[M], names: tuple[str, ...]) -> list[M]:
    """All records of a list: a bare array, or an envelope under one of the names, or a single object."""
    return [_parsed(answer, model, item) for item in _items(answer, answer.json(), names)]


@dataclass(frozen=True, slots=True)
class Salvaged(Generic[M]):
    """What could be read of a list. `broken`: the id of each record that could not be, or `#` and its
    place.
    """

    records: list[M]
    broken: tuple[str, ...] = ()


def salvage(answer: Answer, model: type[M], names: tuple[str, ...]) -> Salvaged[M]:
    """The records of a list, without those that are broken. Raises InDoubtError if nothing looks like one."""
    items, good, broken = _items(answer, answer.json(), names), [], []
    for place, item in enumerate(items, start=1):
        try:
            good.append(_parsed(answer, model, item))
        except InDoubtError:
            broken.append(_name(item) or f"#{place}")
    if broken and not good and not any(map(_name, items)):
        raise answer.unexpected()
    return Salvaged(good, tuple(broken))


def record(answer: Answer, model: type[M], names: tuple[str, ...]) -> M:
    """The one record of an answer, bare or wrapped."""
    body = answer.json()
    if isinstance(body, dict) and body.get("id") is not None:
        return _parsed(answer, model, body)
    items = _items(answer, body, names)
    if len(items) != 1:
        raise answer.unexpected()
    return _parsed(answer, model, items[0])


def call_record(answer: Answer, uuid: str) -> CallRecord:
    """The call that was asked for, bare or wrapped; a record without a uuid is taken to be that one."""
    body = answer.json()
    if isinstance(body, dict) and any(name in body for name in CALLS):
        body = next(iter(_items(answer, body, CALLS)), None)
    if not isinstance(body, dict) or not body:
        raise answer.unexpected()
    return _parsed(answer, CallRecord, {**body, "call_uuid": body.get("call_uuid") or uuid})


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


def _name(item: Any) -> str:
    """What may be the id of a broken record, fit to be shown; empty where there is none."""
    name = str(item.get("id")) if isinstance(item, dict) and item.get("id") is not None else ""
    return name if _SHOWN.fullmatch(name) else ""


def _is_page(answer: Answer) -> bool:
    """Whether the body is HTML or XML, whatever its type is said to be: a login, a proxy's error."""
    return answer.body[:64].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def _field(answer: Answer, name: str) -> str:
    """A text field of an error body; empty for a body of any other shape."""
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) else ""
