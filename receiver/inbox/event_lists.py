"""Lists of several events in one request."""

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
"""Names of lists of events; a list with another name, such as a call's legs, is part of one event."""

_LEVELS = 3
"""Levels of nested objects in which a list of events is looked for."""

_EVENT_NAMES = frozenset(("event", "eventtype", "eventname", "hook", "type"))
_EVENT_WORDS: dict[str, Event] = {fold_name(event): event for event in EVENTS}
_WRAPPED = re.compile(r"^(?:url|task|on|callback)[_.:-]?(?=[a-z])", re.IGNORECASE)
"""Prefixes of event names: `url_after`, `task.after`."""

_NUMBERED = re.compile(r"([^\[\].]*)[\[.]?(\d{1,6})[\].]+\[?(.+)")
"""`events[0][id]`, `events.0.id`, `0[id]`."""


def events_of(values: Sequence[Any]) -> tuple[Sequence[Any], Any]:
    """Return the entries of the list of events, and the values beside it. `values`: the JSON texts of a
    request.
    """
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
    """Return the objects of a list, or of an object with digits for keys, if there are several."""
    if isinstance(value, dict) and value and all(map(str.isdecimal, value)):
        value = list(value.values())
    if not isinstance(value, list):
        return ()
    objects = [entry for entry in map(inner_value, value) if isinstance(entry, dict)]
    return objects if len(objects) > 1 else ()


class NamedEvent(NamedTuple):
    """An event of a request. `event`: as its fields name it, or None."""

    event: Event | None
    fields: HookFields


def several_events(events: Iterable[Pairs], common: Pairs, reader: FieldReader) -> list[NamedEvent]:
    """Return the events of a list; none if the list is part of one event. `common`: pairs of all events.

    Entries are events if two of them name a task or an event or, in a list without `common`, a call or a
    time.
    """
    found, named = [], Counter[str]()
    for entry in events:
        own, event = reader.read(entry), _event_in(entry)
        names: dict[str, object] = {"event": event, "task": own.task_id}
        if not common:
            names |= {"call": own.call, "time": own.sent_at}
        named.update(name for name, value in names.items() if value)
        found.append(NamedEvent(event, reader.read((*entry, *common)) if common else own))
    return found if any(count > 1 for count in named.values()) else []


def _event_in(pairs: Pairs) -> Event | None:
    for name, value in pairs:
        if fold_name(name.rpartition(".")[2]) in _EVENT_NAMES:
            word = _EVENT_WORDS.get(fold_name(_WRAPPED.sub("", value.strip())))
            if word:
                return word
    return None


def grouped(pairs: Iterable[tuple[str, str]]) -> tuple[list[Pairs], list[tuple[str, str]]]:
    """Return the pairs of each numbered group, and the other pairs; no groups if there is only one."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    beside = []
    for name, value in pairs:
        found = _NUMBERED.fullmatch(name) if len(name) < 200 else None
        if found and (not found[1] or fold_name(found[1]) in _LISTS):
            groups[found[1], found[2]].append((found[3].rstrip("]"), value))
        else:
            beside.append((name, value))
    return ([tuple(group) for group in groups.values()], beside) if len(groups) > 1 else ([], [])
