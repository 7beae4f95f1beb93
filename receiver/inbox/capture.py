"""What the unknown sender really sends: the names it uses, what they seem to mean, and a mapping to try."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from receiver.domain.fields import DEFAULT_ALIASES, FieldReader, HookFields, fold_name, result_of
from receiver.domain.moments import read_moment
from receiver.inbox.events_of import several_events
from receiver.inbox.payload import read_payload

_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_TASK_NAME = re.compile(r"task|^id$", re.IGNORECASE)
_QUEUE_NAME = re.compile(r"queue|scheduler", re.IGNORECASE)
_COMMENT_NAME = re.compile(r"comment|cause|reason|message", re.IGNORECASE)
_TIME_NAME = re.compile(r"time|date|stamp|moment|when|^ts$|_at$", re.IGNORECASE)
_URL_OF = re.compile(r"^url_?", re.IGNORECASE)

_LONGEST_EXAMPLE = 100
_LONGEST_SETTABLE = 200
"""Characters of a name that may be an alias."""


class Sample(NamedTuple):
    """A delivery as far as its payload goes. `event`, `has_ref`: of its URL; `encoding`: its Content-
    Encoding.
    """

    query: str
    content_type: str
    body: bytes
    encoding: str = ""
    event: str = ""
    has_ref: bool = True


def read_events(sample: Sample, reader: FieldReader) -> list[tuple[str, HookFields]]:
    """What the reader makes of the delivery: (event, fields) for each of its events."""
    payload = read_payload(sample.query, sample.content_type, sample.body, sample.encoding)
    events = several_events(payload.events, payload.common, reader) if payload.events else []
    if not events:
        return [(sample.event, reader.read(payload.pairs))]
    return [(event or sample.event, found) for event, found in events]


@dataclass(frozen=True, slots=True)
class Proposal:
    """One name that was sent: what it is read as now, and what its values suggest it is. `empty`: what is
    wrong with those of its values that are no values, such as placeholders.
    """

    name: str
    seen: int
    example: str
    read_as: str | None
    proposed: str | None
    empty: str | None = None


def propose(
    samples: Iterable[Sample], aliases: Mapping[str, tuple[str, ...]] = DEFAULT_ALIASES
) -> list[Proposal]:
    """A proposal for each name in the deliveries; most seen first."""
    reader = FieldReader(aliases)
    values: dict[str, list[str]] = defaultdict(list)
    events: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        for name, value in _pairs(sample):
            values[name].append(value)
            events[name].append(sample.event)
    proposals = [_proposal(name, found, events[name], reader) for name, found in values.items()]
    return sorted(proposals, key=lambda proposal: (-proposal.seen, proposal.name))


def _pairs(sample: Sample) -> tuple[tuple[str, str], ...]:
    return read_payload(sample.query, sample.content_type, sample.body, sample.encoding).pairs


def _proposal(name: str, values: list[str], events: Sequence[str], reader: FieldReader) -> Proposal:
    filled = [value for value in values if value.strip()]
    fields = reader.fields_of(name)
    guess = None if fields or not filled or _names_the_event(values, events) else _guess(name, filled)
    return Proposal(
        name,
        len(values),
        filled[0][:_LONGEST_EXAMPLE] if filled else "",
        ", ".join(fields) or None,
        guess,
        next(_empty_values(reader, name, filled), None),
    )


def _empty_values(reader: FieldReader, name: str, values: Iterable[str]) -> Iterator[str]:
    for read in reader.explain((name, value) for value in values):
        if read.value is None:
            yield read.fault or f"means nothing: {read.text[:_LONGEST_EXAMPLE]}"


def _names_the_event(values: Sequence[str], events: Sequence[str]) -> bool:
    """Whether each value is the name of its own delivery's event, which is no result."""
    words = [fold_name(_URL_OF.sub("", value.strip())) for value in values]
    return all(event and word == fold_name(event) for word, event in zip(words, events, strict=True))


def _guess(name: str, values: list[str]) -> str | None:
    """Which of our fields all the values could be."""
    if all(_UUID.fullmatch(value) for value in values):
        return "call"
    # A phone number, or a duration in microseconds, would do as a moment.
    if _TIME_NAME.search(name) and all(read_moment(value) is not None for value in values):
        return "sent_at"
    if all(result_of(value) for value in values):
        return "result"
    if all(value.isdigit() for value in values):
        return "queue_id" if _QUEUE_NAME.search(name) else "task_id" if _TASK_NAME.search(name) else None
    return "comment" if _COMMENT_NAME.search(name) else None


def as_setting(
    proposals: Iterable[Proposal], aliases: Mapping[str, tuple[str, ...]] = DEFAULT_ALIASES
) -> str:
    """The proposals as the `[aliases]` part of the settings file; empty where there is nothing to change."""
    additions: dict[str, list[str]] = defaultdict(list)
    for proposal in proposals:
        if proposal.proposed and proposal.name.isprintable() and len(proposal.name) <= _LONGEST_SETTABLE:
            additions[proposal.proposed].append(proposal.name)
    # A JSON list of printable texts is a TOML list as well.
    lines = [
        f"{ours} = {json.dumps([*aliases[ours], *names], ensure_ascii=False)}"
        for ours, names in additions.items()
    ]
    return "\n".join(["[aliases]", *lines]) if lines else ""


@dataclass(frozen=True, slots=True)
class Missing:
    """A field that no delivery has, though some should. `names`: those that came and are read as nothing."""

    field: str
    why: str
    names: tuple[str, ...]


def missing(samples: Sequence[Sample], proposals: Sequence[Proposal], reader: FieldReader) -> list[Missing]:
    """The fields that are to be found among the names that came."""
    found = [reader.read(_pairs(sample)) for sample in samples]
    names = tuple(each.name for each in proposals if each.read_as is None and each.example)
    asked = []
    if any(not sample.has_ref for sample in samples) and not any(each.task_id for each in found):
        asked.append(Missing("task_id", "a hook at a fixed URL is about no task without it", names))
    if not names:
        return asked
    if any(sample.event == "after" for sample in samples) and not any(each.result for each in found):
        asked.append(Missing("result", "without it only the API says how a task ended", names))
    if not any(each.call for each in found):
        asked.append(Missing("call", "without it attempts are told apart by time alone", names))
    return asked
