"""Proposals for `[aliases]`: names that a sender uses, their likely meaning, and a mapping to try."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Row

from receiver.domain.fields import DEFAULT_ALIASES, FieldReader, HookFields, fold_name, result_of
from receiver.domain.moments import read_moment
from receiver.inbox.event_lists import several_events
from receiver.inbox.payload import read_payload

_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_TASK_NAME = re.compile(r"task|^id$", re.IGNORECASE)
_QUEUE_NAME = re.compile(r"queue|scheduler", re.IGNORECASE)
_COMMENT_NAME = re.compile(r"comment|cause|reason|message", re.IGNORECASE)
_TIME_NAME = re.compile(r"time|date|stamp|moment|when|^ts$|_at$", re.IGNORECASE)
_URL_OF = re.compile(r"^url_?", re.IGNORECASE)

_LONGEST_EXAMPLE = 100
_LONGEST_SETTABLE = 200
"""Maximum characters of a name that can be an alias."""


class Sample(NamedTuple):
    """The payload of a delivery. `event`, `has_ref`: from its URL; `encoding`: its Content-Encoding."""

    query: str
    content_type: str
    body: bytes
    encoding: str = ""
    event: str = ""
    has_ref: bool = True


def sample_of(row: Row[Any]) -> Sample:
    """Return the payload of a row of `delivery`."""
    headers = {name.lower(): value for name, value in row.headers}
    content_type, encoding = headers.get("content-type", ""), headers.get("content-encoding", "")
    return Sample(row.query, content_type, row.body, encoding, row.event, row.ref is not None)


def read_events(sample: Sample, reader: FieldReader) -> list[tuple[str, HookFields]]:
    """Return (event, fields) for each event of the delivery."""
    payload = read_payload(sample.query, sample.content_type, sample.body, sample.encoding)
    events = several_events(payload.events, payload.common, reader) if payload.events else []
    if not events:
        return [(sample.event, reader.read(payload.pairs))]
    return [(event or sample.event, found) for event, found in events]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A name that was sent: the field that it is read as, and the field that its values suggest. `empty`:
    what is wrong with values that mean nothing, such as placeholders.
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
    """Return a proposal for each name in the deliveries, the most frequent first."""
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
    """Return whether each value is the event of its own delivery, which is no result."""
    words = [fold_name(_URL_OF.sub("", value.strip())) for value in values]
    return all(event and word == fold_name(event) for word, event in zip(words, events, strict=True))


def _guess(name: str, values: list[str]) -> str | None:
    """Return the field that fits all values, or None."""
    if all(_UUID.fullmatch(value) for value in values):
        return "call"
    # A phone number, or a duration in microseconds, can be read as a time, too.
    if _TIME_NAME.search(name) and all(read_moment(value) is not None for value in values):
        return "sent_at"
    if all(result_of(value) for value in values):
        return "result"
    if all(value.isdigit() for value in values):
        last = name.rpartition(".")[2]  # `task.try_count` is no id of a task
        named = name if last.lower() == "id" else last
        return "queue_id" if _QUEUE_NAME.search(named) else "task_id" if _TASK_NAME.search(named) else None
    return "comment" if _COMMENT_NAME.search(name) else None


def as_setting(
    proposals: Iterable[Proposal], aliases: Mapping[str, tuple[str, ...]] = DEFAULT_ALIASES
) -> str:
    """Return the proposals as the section `[aliases]` of the settings file; empty without changes."""
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
    """A field that is missing in all deliveries. `names`: names that were sent and are not read."""

    field: str
    why: str
    names: tuple[str, ...]


def missing(samples: Sequence[Sample], proposals: Sequence[Proposal], reader: FieldReader) -> list[Missing]:
    """Return fields that are missing and may be among the names that were sent."""
    found = [reader.read(_pairs(sample)) for sample in samples]
    names = tuple(item.name for item in proposals if item.read_as is None and item.example)
    lacking = []
    if any(not sample.has_ref for sample in samples) and not any(fields.task_id for fields in found):
        lacking.append(Missing("task_id", "a hook at a fixed URL is about no task without it", names))
    if not names:
        return lacking
    if any(sample.event == "after" for sample in samples) and not any(fields.result for fields in found):
        lacking.append(Missing("result", "without it only the API says how a task ended", names))
    if not any(fields.call for fields in found):
        lacking.append(Missing("call", "without it attempts are distinguished by time only", names))
    return lacking
