"""Dialects: formats of hooks. The vendor documents none, so the emulator has all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.emulator import spelling, writing
from receiver.emulator.config import DialectName
from receiver.emulator.faults import Faults
from receiver.emulator.history import deciding_leg
from receiver.emulator.records import Event, Task
from receiver.emulator.rng import rng_for
from receiver.emulator.spelling import Change, as_they_are
from receiver.emulator.wire import task_fields
from receiver.emulator.writing import JoinedWriter, Wire, Writer


@dataclass(frozen=True)
class Notice:
    """An event of a task with its current record. `skew`: error of the sender's clock in seconds."""

    event: Event
    task: Task
    at: float
    later_revision: bool = False
    skew: float = 0.0

    @property
    def url(self) -> str:
        return self.task.plan.urls[self.event]

    @property
    def record(self) -> dict[str, Any]:
        return task_fields(self.task, self.later_revision, self.skew)


Source = Callable[[Notice], Mapping[str, Any]]


@dataclass(frozen=True)
class Dialect:
    """A format of hooks. `source`: gives the fields of an event; `change`: spells their values; `write`:
    makes the request; `join`: makes one request of several events, None: each event has its own.
    """

    about: str
    source: Source
    write: Writer
    change: Change = as_they_are
    has_body: bool = True
    is_empty: bool = False
    join: JoinedWriter | None = None

    @property
    def names_task(self) -> bool:
        """Return whether a hook carries its task's id."""
        return self.source is _task_record and not self.is_empty

    def fields(self, notice: Notice) -> Mapping[str, Any]:
        return self.change(self.source(notice))

    def render(self, notice: Notice) -> Wire:
        return self.write(notice.url, self.fields(notice))


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
    """Return the platform's event fields, with the record's call: before a call, the previous one."""
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
        "CallerExtensionID": writing.text(task.plan.extension_id),
        "Duration": round(call.outcome.duration * 1e6) if ended and call else 0,
        "RecID": call.record_uuids[0] if ended and bridged and call else "",
        "CallBackID": task.cdr,
        "Bridged": "true" if bridged else "false",
        "Transfered": "false",
    }


def _query(about: str, write: Writer, source: Source = _task_record) -> Dialect:
    return Dialect(about, source, write, has_body=False)


def _spelled(about: str, change: Change, write: Writer) -> Dialect:
    return Dialect(about, _task_record, write, change)


def _packed(about: str, pack: writing.Packer, name: str | None) -> Dialect:
    return Dialect(about, _task_record, writing.packed(writing.json_body, pack, name))


def _timed(about: str, form: Callable[[int], str]) -> Dialect:
    return Dialect(about, _platform_event, writing.form, spelling.moments(form))


def _joined(about: str, join: JoinedWriter) -> Dialect:
    def write(url: str, fields: Mapping[str, Any]) -> Wire:
        return join(url, [fields])

    # Several events share the request, so a single one cannot be broken.
    return Dialect(about, _task_record, write, has_body=False, join=join)


def _pasted(about: str, space: str) -> Dialect:
    return Dialect(about, _task_record, writing.pasted(writing.form, space))


PLAIN: dict[DialectName, Dialect] = {
    "task_get": _query("the task's record in the query of a GET", writing.get),
    "task_form": Dialect("the record as a form", _task_record, writing.form),
    "task_json": Dialect("the record as JSON", _task_record, writing.json_body),
    "event_form": Dialect("the platform's event fields as a form", _platform_event, writing.form),
    "event_get": _query("the event fields in the query of a GET", writing.get, _platform_event),
    "empty": Dialect("a POST without content", _nothing, writing.bare_post, has_body=False, is_empty=True),
    "empty_get": Dialect("a GET without content", _nothing, writing.bare_get, has_body=False, is_empty=True),
    "task_form_cp1251": Dialect("the record as a form in cp1251", _task_record, writing.form_cp1251),
    "json_in_form": Dialect("the record as JSON in one field of a form", _task_record, writing.json_in_form),
    "task_multipart": Dialect("the record as multipart/form-data", _task_record, writing.multipart),
}

ODD: dict[DialectName, Dialect] = {
    "raw_utf8_get": _query("UTF-8 in the query, not escaped", writing.raw_get("utf-8")),
    "raw_cp1251_get": _query("cp1251 in the query, not escaped", writing.raw_get("cp1251")),
    "raw_space_get": _query(
        "spaces in the query, not escaped", writing.raw_get("ascii", escaped=True), _task_record
    ),
    "bracket_form": Dialect("names as in task[id]=77", _task_record, writing.bracket_form),
    "bracket_get": _query("names as in task[id]=77, in the query", writing.bracket_get),
    "list_form": Dialect("names as in id[]=77", _task_record, writing.list_form),
    "dotted_form": Dialect("names as in task.id=77", _task_record, writing.dotted_form),
    "nested_json": Dialect("the record nested in JSON", _task_record, writing.nested_json),
    "digit_keys": Dialect("a list as an object with digits for keys", _task_record, writing.digit_keys),
    "html_form": Dialect("a form with &amp; between its fields", _task_record, writing.html_form),
    "html_get": _query("a query with &amp; between its fields", writing.html_get),
    "escaped_twice": Dialect(
        "a form whose values are escaped twice", _task_record, writing.form_escaped_twice
    ),
    "json_text": Dialect("a JSON string that contains JSON", _task_record, writing.json_text),
    "json_in_json": Dialect("a JSON string inside JSON", _task_record, writing.json_in_json),
    "gzip": _packed("a body compressed by gzip", writing.GZIP, "gzip"),
    "deflate": _packed("a body compressed by deflate", writing.ZLIB, "deflate"),
    "raw_deflate": _packed("deflate without the header of zlib", writing.DEFLATE, "deflate"),
    "gzip_unnamed": _packed("gzip without a Content-Encoding", writing.GZIP, None),
    "gzip_misnamed": _packed("gzip with the Content-Encoding deflate", writing.GZIP, "deflate"),
    "gzip_in_name": _packed("the Content-Encoding gzip, not compressed", writing.PLAIN, "gzip"),
    "array": _joined("simultaneous events in a JSON array", writing.array),
    "events_list": _joined("simultaneous events in a list named events", writing.events_list),
    "json_lines": _joined("simultaneous events as JSON lines", writing.json_lines),
    "floats_json": _spelled("77.0 for 77", spelling.numbers_as_floats, writing.json_body),
    "floats_form": _spelled("77.0 for 77, in a form", spelling.numbers_as_floats, writing.form),
    "texts_json": _spelled("strings for numbers", spelling.numbers_as_texts, writing.json_body),
    "numbers_json": _spelled("numbers for strings", spelling.texts_as_numbers, writing.json_body),
    "words_form": _spelled(
        "null, undefined, None … for empty values", spelling.words_for_nothing, writing.form
    ),
    "words_json": _spelled(
        "null, undefined, None … as JSON strings", spelling.words_for_nothing, writing.json_body
    ),
    "placeholders": Dialect(
        "an unexpanded template", _task_record, writing.get, spelling.placeholders, False, True
    ),
    "half_placeholders": _spelled(
        "placeholders for empty values", spelling.placeholders_for_nothing, writing.form
    ),
    "braces_form": _spelled("GUIDs and comments in braces", spelling.braces, writing.form),
    "braces_json": _spelled("GUIDs and comments in braces, as JSON", spelling.braces, writing.json_body),
    "fourteen_digits": _timed("times as YYYYMMDDHHMMSS", spelling.fourteen_digits),
    "nanoseconds": _timed("times in nanoseconds", spelling.nanoseconds),
    "zone": _timed("times with +03:00", spelling.moscow_time),
    "zone_space": _timed("times with +03:00 whose plus became a space", spelling.moscow_time_without_plus),
    "empty_dates": _timed("dates of the years 1, 1970 and 9999", spelling.empty_date),
    "lines": Dialect("one name=value per line, as text/plain", _task_record, writing.lines),
    "pasted_space": _pasted("an escaped space after the URL", "%20"),
    "pasted_newline": _pasted("an escaped line end after the URL", "%0D%0A"),
    "pasted_raw": Dialect("an unescaped space after the URL", _task_record, writing.pasted_raw),
}

DIALECTS: dict[DialectName, Dialect] = PLAIN | ODD

_PLAIN: Sequence[DialectName] = tuple(PLAIN)
_ODD: Sequence[DialectName] = tuple(ODD)


def dialect_of(name: DialectName, faults: Faults, seed: int, task: Task) -> DialectName:
    """Return the dialect of a task's hooks; `mixed` draws one, by the faults an odd one."""
    if name != "mixed":
        return name
    rng = rng_for(seed, "dialect", task.account, task.ordinal)
    return rng.choice(_ODD if rng.random() < faults.odd_sender else _PLAIN)
