"""Readings of one delivery. A delivery is read on arrival, and may be read again with another mapping.

Facts are never changed. Each reading has its own facts, and their ids name the reading. For the delivery
`4f2a` of the account `main` they are

    main/hook/4f2a        the first event, as it was read on arrival: reading 0
    main/hook/4f2a.1      the second event of the same request
    main/hook/4f2a.r1     the first fact of the first rereading: reading 1
    main/hook/4f2a.r1.1   its second fact

Only the highest reading of a delivery counts, in any order of arrival. If a later reading is no longer about
a task, that task gets a `WithdrawnEvent`.
"""

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from operator import itemgetter
from typing import Any, NamedTuple

from receiver.domain.facts import (
    Event,
    Fact,
    FactPayload,
    HookContent,
    HookEvent,
    RereadEvent,
    TaskSnapshot,
    WithdrawnEvent,
)

_OF_DELIVERY = (HookContent, WithdrawnEvent)
_ID = re.compile(r"(?s)[^/]*/hook/(.+?)(?:\.r(\d+))?(?:\.(\d+))?")
_CONTENT = tuple(field.name for field in fields(HookContent))


class FactPlace(NamedTuple):
    """The position of a fact: its number in a reading of a delivery. Reading 0 is the one on arrival."""

    delivery: str
    reading: int = 0
    number: int = 0


def place_of(fact_id: str) -> FactPlace | None:
    """Return the place that a fact's id names; None if the fact does not come from a delivery."""
    found = _ID.fullmatch(fact_id)
    return FactPlace(found[1], int(found[2] or 0), int(found[3] or 0)) if found else None


def fact_id(account: str, place: FactPlace) -> str:
    """Return the id of the fact at a place: the inverse of `place_of`."""
    delivery, reading, number = place
    return f"{account}/hook/{delivery}{f'.r{reading}' * (reading > 0)}{f'.{number}' * (number > 0)}"


def is_of_rereading(fact: Fact) -> bool:
    """Return whether a fact comes from reading a delivery again."""
    return isinstance(fact.payload, RereadEvent | WithdrawnEvent)


class Readings(NamedTuple):
    """`current`: facts that count, rereadings as hooks. `superseded`: ids of facts that no longer count."""

    current: tuple[Fact, ...]
    superseded: frozenset[str]

    @property
    def is_void(self) -> bool:
        """Return whether no fact that counts proves the task, because all its hooks are about other tasks."""
        return not any(isinstance(fact.payload, HookEvent | TaskSnapshot) for fact in self.current)


def current_readings(facts: Sequence[Fact]) -> Readings:
    """Separate the facts of one task that count, in the given order, from superseded ones."""
    places = {
        fact.id: place
        for fact in facts
        if isinstance(fact.payload, _OF_DELIVERY) and (place := place_of(fact.id))
    }
    latest: dict[str, int] = {}
    for delivery, reading, _ in places.values():
        latest[delivery] = max(reading, latest.get(delivery, 0))
    superseded = frozenset(id_ for id_, place in places.items() if place.reading < latest[place.delivery])
    return Readings(
        tuple(
            _as_hook(fact)
            for fact in facts
            if fact.id not in superseded and not isinstance(fact.payload, WithdrawnEvent)
        ),
        superseded,
    )


def _as_hook(fact: Fact) -> Fact:
    """Return the fact of a rereading as a hook, and any other fact unchanged."""
    if isinstance(fact.payload, RereadEvent):
        return replace(fact, payload=HookEvent(**_content(fact.payload)))
    return fact


def _content(payload: FactPayload) -> dict[str, Any]:
    return {name: getattr(payload, name) for name in _CONTENT}


def new_reading(delivery: str, before: Sequence[Fact], hooks: Sequence[Fact], read_at: float) -> list[Fact]:
    """Return the facts of the next reading of a delivery. `before`: all its facts so far. `hooks`: its new
    events, as facts of a first reading. `read_at`: epoch seconds. One of the two may be empty, not both.
    """
    reading = 1 + max((place.reading for fact in before if (place := place_of(fact.id))), default=0)
    withdrawn = {(fact.ref, fact.task_id): fact for fact in current_of(before)}
    payloads: list[tuple[Fact, RereadEvent | WithdrawnEvent]] = []
    for fact in hooks:
        payloads.append((fact, RereadEvent(**_content(fact.payload), read_at=read_at)))
        withdrawn.pop((fact.ref, fact.task_id), None)
    payloads += [(fact, WithdrawnEvent(_event(fact), read_at)) for fact in withdrawn.values()]
    return [
        replace(fact, id=fact_id(fact.account, FactPlace(delivery, reading, number)), payload=payload)
        for number, (fact, payload) in enumerate(payloads)
    ]


def _event(hook: Fact) -> Event:
    if not isinstance(hook.payload, HookContent):
        raise TypeError(f"a fact of kind {hook.kind} has no event")
    return hook.payload.event


def current_of(facts: Sequence[Fact]) -> list[Fact]:
    """Return the facts that count of all facts of one delivery, as hooks, in the order of the request."""
    placed = [(place, fact) for fact in facts if (place := place_of(fact.id))]
    latest = max((place.reading for place, _ in placed), default=0)
    hooks = [
        (place.number, _as_hook(fact))
        for place, fact in placed
        if place.reading == latest and isinstance(fact.payload, HookContent)
    ]
    return [fact for _, fact in sorted(hooks, key=itemgetter(0))]
