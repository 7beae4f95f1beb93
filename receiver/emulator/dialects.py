"""The wire forms of a hook: the vendor documents none, so the emulator speaks them all."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from receiver.emulator.chance import chance
from receiver.emulator.config import DialectName
from receiver.emulator.history import deciding_leg
from receiver.emulator.records import Event, Task
from receiver.emulator.wire import task_fields

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
BOUNDARY = "----scheduler-7d81b0c4"


@dataclass(frozen=True)
class Notice:
    """One event of a task, as the record is at that moment; the sender's clock is `skew` seconds off."""

    event: Event
    task: Task
    at: float
    later_revision: bool = False
    skew: float = 0.0

    @property
    def record(self) -> dict[str, Any]:
        return task_fields(self.task, self.later_revision, self.skew)


@dataclass(frozen=True)
class Wire:
    """One HTTP request."""

    method: str
    url: str
    content_type: str | None = None
    body: bytes = b""


@dataclass(frozen=True)
class Dialect:
    """`fields` are what it says of an event, `write` is how it puts fields into a request to a URL."""

    fields: Callable[[Notice], Mapping[str, Any]]
    write: Callable[[str, Mapping[str, Any]], Wire]
    has_body: bool = True
    is_empty: bool = False

    def render(self, notice: Notice) -> Wire:
        return self.write(notice.task.plan.urls[notice.event], self.fields(notice))


def _task_record(notice: Notice) -> Mapping[str, Any]:
    return notice.record


def _nothing(_: Notice) -> Mapping[str, Any]:
    return {}


EVENT_TYPES: dict[Event, str] = {
    "before": "dial-out",
    "before_again": "dial-out",
    "success": "answer",
    "after": "hangup",
}
CALL_STATUSES = {
    "answered": "ANSWER",
    "busy": "BUSY",
    "no_answer": "NOANSWER",
    "rejected": "CONGESTION",
    "unavailable": "CHANUNAVAIL",
    "cancelled": "CANCEL",
}


def _platform_event(notice: Notice) -> Mapping[str, Any]:
    """The platform's ordinary event fields. The call is the record's: before a call, the previous one."""
    task, call, ended = notice.task, notice.task.call, notice.event == "after"
    called = call is not None and notice.event in ("success", "after")
    bridged = called and call is not None and call.outcome.bridged
    return {
        "EventType": EVENT_TYPES[notice.event],
        "EventTime": round((notice.at + notice.skew) * 1e6),
        "CallID": task.cdr,
        "CallAPIID": task.cdr,
        "CallStatus": CALL_STATUSES[deciding_leg(call).result] if called and call else "CALLING",
        "CallFlow": "out",
        "CallerIDNum": task.plan.a_number,
        "CalledNumber": task.plan.b_number,
        "CallerExtensionID": _text(task.plan.extension_id),
        "Duration": round(call.outcome.duration * 1e6) if ended and call else 0,
        "RecID": call.record_uuids[0] if ended and bridged and call else "",
        "CallBackID": task.cdr,
        "Bridged": "true" if bridged else "false",
        "Transfered": "false",
    }


def _get(url: str, fields: Mapping[str, Any]) -> Wire:
    """A naive sender: it appends `?` even to a URL that has one."""
    return Wire("GET", f"{url}?{urlencode(_texts(fields))}")


def _bare_get(url: str, _: Mapping[str, Any]) -> Wire:
    return Wire("GET", url)


def _bare_post(url: str, _: Mapping[str, Any]) -> Wire:
    return Wire("POST", url)


def _form(url: str, fields: Mapping[str, Any]) -> Wire:
    return Wire("POST", url, FORM, urlencode(_texts(fields)).encode())


def _form_cp1251(url: str, fields: Mapping[str, Any]) -> Wire:
    body = urlencode(_texts(fields), encoding="cp1251", errors="xmlcharrefreplace")
    return Wire("POST", url, FORM, body.encode())


def _json(url: str, fields: Mapping[str, Any]) -> Wire:
    return Wire("POST", url, JSON, json.dumps(fields, ensure_ascii=False).encode())


def _json_in_form(url: str, fields: Mapping[str, Any]) -> Wire:
    return Wire("POST", url, FORM, urlencode({"data": json.dumps(fields, ensure_ascii=False)}).encode())


def _multipart(url: str, fields: Mapping[str, Any]) -> Wire:
    parts = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in _texts(fields).items()
    )
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    return Wire("POST", url, content_type, f"{parts}--{BOUNDARY}--\r\n".encode())


def _texts(fields: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in fields.items()}


def _text(value: object) -> str:
    return "" if value is None else str(value)


DIALECTS: dict[DialectName, Dialect] = {
    "task_get": Dialect(_task_record, _get, has_body=False),
    "task_form": Dialect(_task_record, _form),
    "task_json": Dialect(_task_record, _json),
    "event_form": Dialect(_platform_event, _form),
    "event_get": Dialect(_platform_event, _get, has_body=False),
    "empty": Dialect(_nothing, _bare_post, has_body=False, is_empty=True),
    "empty_get": Dialect(_nothing, _bare_get, has_body=False, is_empty=True),
    "task_form_cp1251": Dialect(_task_record, _form_cp1251),
    "json_in_form": Dialect(_task_record, _json_in_form),
    "task_multipart": Dialect(_task_record, _multipart),
}


def dialect_of(name: DialectName, seed: int, account: str, ordinal: int) -> Dialect:
    """The dialect of a task's hooks; `mixed` draws one."""
    if name == "mixed":
        return chance(seed, "dialect", account, ordinal).choice(list(DIALECTS.values()))
    return DIALECTS[name]
