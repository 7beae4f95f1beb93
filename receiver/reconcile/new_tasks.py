"""Read the fields of a task to create, and say which one is wrong. Values are never repeated."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from receiver.domain.hooks import REF
from receiver.domain.masking import mask_message
from receiver.domain.numbers import REGION, e164
from receiver.errors import InputError
from receiver.scheduler.values import number_of, start_epoch
from receiver.scheduler.wire import NewTask

_REF_RULE = "must be 1 to 64 letters, digits, '_' or '-'"

FIELD_RULES = {
    "ref": _REF_RULE,
    "name": "must be a text",
    "a_number": "must be the number that is called first, as a text, such as +79161234567 or 101",
    "b_number": "must be the number that is called second, as a text, such as +79161234567 or 101",
    "extension_id": "must be an id of the scheduler: a whole number or a text",
    "try_count": "must be a whole number from 1 to 50",
    "try_again_pause": "must be a whole number of seconds, at least 0",
    "start_time_utc": "must be a UTC time YYYY-MM-DD HH:MM:SS, epoch seconds, or seconds from now",
}
"""Field of a task → what it must be. The fields are named as in the scheduler's API."""

FIELDS = tuple(FIELD_RULES)

_REQUIRED = ("a_number", "b_number")


class KeyedTask(NamedTuple):
    """A task to create, and our ref of it, which is the key against creating it twice."""

    ref: str
    task: NewTask

    def digest(self, queue_id: str) -> str:
        """Return a digest of the queue and of all fields; equal for equal tasks."""
        fields = self.task.model_dump(mode="json", exclude_none=True)
        content = {name: value for name, value in fields.items() if not name.startswith("url_")}
        text = orjson.dumps([self.ref, queue_id, content], option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()


def read_task(values: Mapping[str, Any], region: str = REGION) -> KeyedTask:
    """Return a task from its fields, of which `ref` must be one. The name is the ref unless it is given.

    `region`: the country of numbers without a country code. Raises InputError, which names the field.
    """
    unknown = [name for name in values if name not in FIELD_RULES]
    if unknown:  # in a file without a header line, these may be phone numbers
        known = ", ".join(FIELDS)
        raise InputError(mask_message(str(unknown[0])), f"is not a field of a task; known fields: {known}")
    ref = str(values.get("ref") or "")
    if not REF.fullmatch(ref):
        raise InputError("ref", _REF_RULE)
    fields = {name: value for name, value in values.items() if name != "ref"}
    for name in _REQUIRED:
        if fields.get(name) in (None, ""):
            raise InputError(name, f"is missing: it {FIELD_RULES[name]}")
    try:
        task = NewTask.model_validate({"name": ref} | fields)
    except ValidationError as error:
        name = str(error.errors(include_input=False, include_url=False)[0]["loc"][0])
        raise InputError(name, FIELD_RULES[name]) from None
    _check(task, region)
    return KeyedTask(ref, task)


def _check(task: NewTask, region: str) -> None:
    """Raise InputError for a start or a number that the scheduler would refuse, or dial in vain."""
    for name in _REQUIRED:
        number = getattr(task, name).strip()
        is_whole = not number.startswith("+") or e164(number, region)
        if not is_whole or not any(map(str.isdigit, number)):
            raise InputError(name, FIELD_RULES[name])
    start = task.start_time_utc
    if start is not None and number_of(start) is None and start_epoch(start, None) is None:
        raise InputError("start_time_utc", FIELD_RULES["start_time_utc"])
