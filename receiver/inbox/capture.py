"""What the unknown sender really sends: the names it uses, what they seem to mean, and a mapping to try."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from receiver.domain.fields import DEFAULT_ALIASES, fold_name, read_time, result_of
from receiver.inbox.payload import read_payload

_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_TASK_NAME = re.compile(r"task|^id$", re.IGNORECASE)
_QUEUE_NAME = re.compile(r"queue|scheduler", re.IGNORECASE)
_COMMENT_NAME = re.compile(r"comment|cause|reason|message", re.IGNORECASE)
_TIME_NAME = re.compile(r"time|date|stamp|moment|when|^ts$|_at$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One name that was sent: what it is read as now, and what its values suggest it is."""

    name: str
    seen: int
    example: str
    read_as: str | None
    proposed: str | None


def propose(
    deliveries: Iterable[tuple[str, str, bytes]], aliases: Mapping[str, tuple[str, ...]] = DEFAULT_ALIASES
) -> list[Proposal]:
    """A proposal for each name in the deliveries, given as (query, content type, body); most seen first."""
    values: dict[str, list[str]] = defaultdict(list)
    for query, content_type, body in deliveries:
        for name, value in read_payload(query, content_type, body).pairs:
            values[name].append(value)
    known = {fold_name(alias): ours for ours, names in aliases.items() for alias in names}
    proposals = [_proposal(name, found, known.get(fold_name(name))) for name, found in values.items()]
    return sorted(proposals, key=lambda proposal: (-proposal.seen, proposal.name))


def _proposal(name: str, values: list[str], read_as: str | None) -> Proposal:
    filled = [value for value in values if value.strip()]
    guess = None if read_as or not filled else _guess(name, filled)
    return Proposal(name, len(values), filled[0] if filled else "", read_as, guess)


def _guess(name: str, values: list[str]) -> str | None:
    """Which of our fields all the values could be."""
    if all(_UUID.fullmatch(value) for value in values):
        return "call"
    # A phone number, or a duration in microseconds, would do as a moment.
    if _TIME_NAME.search(name) and all(read_time(value) is not None for value in values):
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
        if proposal.proposed and proposal.name.isprintable():
            additions[proposal.proposed].append(proposal.name)
    # A JSON list of printable texts is a TOML list as well.
    lines = [
        f"{ours} = {json.dumps([*aliases[ours], *names], ensure_ascii=False)}"
        for ours, names in additions.items()
    ]
    return "\n".join(["[aliases]", *lines]) if lines else ""
