"""Several events in one request: which list of objects they are."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from receiver.domain.facts import EVENTS, Event
from receiver.domain.fields import FieldReader, HookFields, fold_name
from receiver.inbox.json_text import inner_value

Pairs = tuple[tuple[str, str], ...]

_LISTS = frozenset(
    (
        *("events", "event", "hooks", "tasks", "task", "items", "records", "notifications", "messages"),
        *("updates", "results", "data", "payload", "batch", "list", "rows", "body", "callbacks", "entries"),
    )
)
"""Names of a list of events; a list of another name, such as a call's legs, is part of one event."""

_LEVELS = 3
"""Levels of objects below which no list of events is looked for."""

_EVENT_NAMES = frozenset(("event", "eventtype", "eventname", "hook", "type"))
_EVENT_WORDS: dict[str, Event] = {fold_name(event): event for event in EVENTS}
_WRAPPED = re.compile(r"^(?:url|task|on|callback)[_.:-]?(?=[a-z])", re.IGNORECASE)
"""What may stand before the event's own name: `url_after`, `task.after`."""

_NUMBERED = re.compile(r"([^\[\].]*)[\[.]?(\d{1,6})[\].]+\[?(.+)")
"""`events[0][id]`, `events.0.id`, `0[id]`."""


def events_of(values: Sequence[Any]) -> tuple[Sequence[Any], Any]:
    """The entries of the list of events, and what stands beside it. `values`: of a request's JSON texts."""
    objects = [value for value in values if isinstance(value, dict)]
    if len(values) > 1:
        return objects, None
    return _search(values[0], _LEVELS) if values else ((), None)


def _search(value: Any, levels: int) -> tuple[Sequence[Any], Any]:
    if entries := _entries(value):
        return entries, None
    if not isinstance(value, dict) or not levels:
        return (), None
    inner = {key: inner_value(item) for key, item in value.items() if fold_name(str(key)) in _LISTS}
    for key, item in inner.items():
        if entries := _entries(item):
            return entries, {name: other for name, other in value.items() if name != key}
    for key, item in inner.items():
        entries, beside = _search(item, levels - 1)
        if entries:
            return entries, {**value, key: beside}
    return (), None


def _entries(value: Any) -> Sequence[Any]:
    """The objects of a list, or of an object with digits for keys, where there are several."""
    if isinstance(value, dict) and value and all(map(str.isdecimal, value)):
        value = list(value.values())
    if not isinstance(value, list):
        return ()
    objects = [each for each in map(inner_value, value) if isinstance(each, dict)]
    return objects if len(objects) > 1 else ()


class NamedEvent(NamedTuple):
    """One of a request's events. `event`: as its own fields name it, or None."""

    event: Event | None
    fields: HookFields


def several_events(events: Iterable[Pairs], common: Pairs, reader: FieldReader) -> list[NamedEvent]:
    """The events that the entries of a list are; none where the list is part of one event. `common`: what is
    said of all of them.

    Entries are events where two of them name a task or an event, or, in a list with nothing beside it, a call
    or a time.
    """
    found, said = [], Counter[str]()
    for entry in events:
        own, event = reader.read(entry), _event_in(entry)
        names: dict[str, object] = {"event": event, "task": own.task_id}
        if not common:
            names |= {"call": own.call, "time": own.sent_at}
        said.update(name for name, value in names.items() if value)
        found.append(NamedEvent(event, reader.read((*entry, *common)) if common else own))
    return found if any(count > 1 for count in said.values()) else []


def _event_in(pairs: Pairs) -> Event | None:
    for name, value in pairs:
        if fold_name(name.rpartition(".")[2]) in _EVENT_NAMES:
            word = _EVENT_WORDS.get(fold_name(_WRAPPED.sub("", value.strip())))
            if word:
                return word
    return None


def grouped(pairs: Iterable[tuple[str, str]]) -> tuple[list[Pairs], list[tuple[str, str]]]:
    """The pairs of each numbered group, and those of none; no groups where there is but one."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    beside = []
    for name, value in pairs:
        found = _NUMBERED.fullmatch(name) if len(name) < 200 else None
        if found and (not found[1] or fold_name(found[1]) in _LISTS):
            groups[found[1], found[2]].append((found[3].rstrip("]"), value))
        else:
            beside.append((name, value))
    return ([tuple(group) for group in groups.values()], beside) if len(groups) > 1 else ([], [])
