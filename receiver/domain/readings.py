"""Readings of one delivery. A delivery is read when it comes, and may be read again with another mapping.

Facts are never changed: each reading has facts of its own, and the ids tell them apart. Of the delivery
`4f2a` of the account `main` they are

    main/hook/4f2a        the first event, as it was read when it came: reading 0
    main/hook/4f2a.1      the second event of the same request
    main/hook/4f2a.r1     the first fact of the first rereading: reading 1
    main/hook/4f2a.r1.1   its second fact

Of each delivery the highest reading counts, whatever came in which order. A task that an earlier reading was
about and a later one is not has a `WithdrawnEvent` of the later one.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

from receiver.domain.facts import (
    Event,
    Fact,
    HookContent,
    HookEvent,
    RereadEvent,
    TaskSnapshot,
    WithdrawnEvent,
)

_OF_DELIVERY = (HookContent, WithdrawnEvent)
_ID = re.compile(r"(?s)[^/]*/hook/(.+?)(?:\.r(\d+))?(?:\.(\d+))?")
_NAMES = tuple(each.name for each in fields(HookContent))


class FactPlace(NamedTuple):
    """Which fact of which reading of a delivery; reading 0 is the one when it came."""

    delivery: str
    reading: int = 0
    number: int = 0


def place_of(fact_id: str) -> FactPlace | None:
    """The place that a fact's id names; None where the fact is of no delivery."""
    found = _ID.fullmatch(fact_id)
    return FactPlace(found[1], int(found[2] or 0), int(found[3] or 0)) if found else None


def fact_id(account: str, place: FactPlace) -> str:
    """The inverse of `place_of`."""
    delivery, reading, number = place
    return f"{account}/hook/{delivery}{f'.r{reading}' * (reading > 0)}{f'.{number}' * (number > 0)}"


def is_of_rereading(fact: Fact) -> bool:
    """Whether the fact came of reading a delivery again."""
    return isinstance(fact.payload, RereadEvent | WithdrawnEvent)


class Readings(NamedTuple):
    """`current`: facts that count, those of rereadings as the hooks that they are; `superseded`: ids of facts
    that count no more.
    """

    current: tuple[Fact, ...]
    superseded: frozenset[str]

    @property
    def is_void(self) -> bool:
        """Whether nothing that counts vouches for the task: all its hooks turned out to be of others."""
        return not any(isinstance(fact.payload, HookEvent | TaskSnapshot) for fact in self.current)


def sift(facts: Iterable[Fact]) -> Readings:
    """The facts of one task by whether they count, in the order given."""
    facts = tuple(facts)
    places = {
        fact.id: place
        for fact in facts
        if isinstance(fact.payload, _OF_DELIVERY) and (place := place_of(fact.id))
    }
    latest: dict[str, int] = {}
    for delivery, reading, _ in places.values():
        latest[delivery] = max(reading, latest.get(delivery, 0))
    out = frozenset(each for each, place in places.items() if place.reading < latest[place.delivery])
    there = (fact for fact in facts if fact.id not in out and not isinstance(fact.payload, WithdrawnEvent))
    return Readings(tuple(map(as_hook, there)), out)


def as_hook(fact: Fact) -> Fact:
    """A fact of a rereading as the hook that it is; any other one as it is."""
    return (
        replace(fact, payload=HookEvent(**_content(fact))) if isinstance(fact.payload, RereadEvent) else fact
    )


def _content(hook: Fact) -> dict[str, Any]:
    """What it says, without how it was read."""
    return {name: getattr(hook.payload, name) for name in _NAMES}


def new_reading(delivery: str, before: Sequence[Fact], hooks: Sequence[Fact], read_at: float) -> list[Fact]:
    """The facts of the next reading of a delivery. `before`: its facts; `hooks`: what it says now, as facts
    of a first reading; `read_at`: epoch seconds. Either may be empty, not both.
    """
    reading = 1 + max((place.reading for fact in before if (place := place_of(fact.id))), default=0)
    there = {(fact.ref, fact.task_id) for fact in hooks}
    left = {(fact.ref, fact.task_id): fact for fact in current_of(before)}
    payloads: list[tuple[Fact, RereadEvent | WithdrawnEvent]] = [
        *((fact, RereadEvent(**_content(fact), read_at=read_at)) for fact in hooks),
        *(
            (fact, WithdrawnEvent(_event(fact), read_at))
            for about, fact in left.items()
            if about not in there
        ),
    ]
    return [
        replace(fact, id=fact_id(fact.account, FactPlace(delivery, reading, number)), payload=payload)
        for number, (fact, payload) in enumerate(payloads)
    ]


def _event(hook: Fact) -> Event:
    if not isinstance(hook.payload, HookContent):
        raise TypeError(f"a fact of kind {hook.kind} has no event")
    return hook.payload.event


def current_of(facts: Sequence[Fact]) -> list[Fact]:
    """What counts of all facts of one delivery, as hooks, in the order of the request."""
    places = {fact.id: place for fact in facts if (place := place_of(fact.id))}
    latest = max((place.reading for place in places.values()), default=0)
    mine = [fact for fact in facts if fact.id in places and places[fact.id].reading == latest]
    hooks = [as_hook(fact) for fact in mine if isinstance(fact.payload, HookContent)]
    return sorted(hooks, key=lambda fact: places[fact.id].number)
