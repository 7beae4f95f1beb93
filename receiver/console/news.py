"""What streams of live updates tell: changes of tasks, and live parts of pages."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import orjson
from starlette.responses import Response

from receiver.console.changes import Changes
from receiver.console.page import Page
from receiver.console.rendering import render
from receiver.console.visit import Visit

_FOLLOW_S = (5.0, 30.0)
"""Seconds after the last outcome at which a page is fetched again: deliveries follow an outcome. Every page
is fetched again after the first of them.
"""

_MAX_TASKS = 100


class News(Protocol):
    """What one stream tells. `seen`: number of the last change that it knows. `every_s`: seconds between two
    of its events, at least. `rate`: events a second that all streams send together, if there are many.
    """

    changes: Changes
    seen: int
    every_s: float
    rate: float

    def due_at(self) -> float:
        """Return when the next event is due without a change, in seconds of the loop."""

    def event(self, now: float) -> bytes | None:
        """Return the event about the changes since the last call; None if they do not matter."""


class TaskNews:
    """Tells that tasks have changed, so that a page is fetched again. `task`: only this one."""

    every_s, rate = 2.0, 5.0

    def __init__(self, changes: Changes, task: str | None) -> None:
        self.changes, self.seen = changes, changes.number
        self._task = task
        # The page may have missed a change while it was loaded.
        self._due: Sequence[float] = [asyncio.get_running_loop().time() + _FOLLOW_S[0]]

    def due_at(self) -> float:
        return self._due[0] if self._due else float("inf")

    def event(self, now: float) -> bytes | None:
        changed = self.seen < self.changes.number
        tasks, self.seen = self.changes.since(self.seen), self.changes.number
        if changed and (self._task is None or tasks is None or self._task in tasks):
            self._due = [now + later for later in _FOLLOW_S]
        elif self.due_at() <= now:
            tasks, self._due = None, self._due[1:]
        else:
            return None
        if self._task is not None:
            return _changed([self._task])
        return _changed(None if tasks is None else sorted(tasks))


def _changed(tasks: Sequence[str] | None) -> bytes:
    known = tasks if tasks is not None and len(tasks) <= _MAX_TASKS else None
    return b"event: changed\ndata: %s\n\n" % orjson.dumps({"tasks": known})


@dataclass(slots=True)
class LiveGroup:
    """Visitors whose live parts are the same. `visits`: of the open streams; the first one asks for all.
    `event`: the latest parts.
    """

    page: Page
    visits: list[Visit] = field(default_factory=list)
    event: bytes = b""
    changes: Changes = field(default_factory=Changes)

    async def refresh(self) -> None:
        """Render the parts again. Raises the errors of the API."""
        visit = self.visits[0]
        found = await self.page.read(visit)
        if isinstance(found, Response):
            return
        values = {"visit": visit, "times": visit.times, **found}
        html = (await render(visit.request, self.page.live, values)).body
        self.event = b"event: parts\n%s\n\n" % b"\n".join(
            b"data: " + line for line in bytes(html).splitlines()
        )
        self.changes.add(None)


class PartNews:
    """Tells the live parts of a page."""

    every_s, rate = 1.0, 50.0

    def __init__(self, group: LiveGroup) -> None:
        self._group, self.changes, self.seen = group, group.changes, group.changes.number

    def due_at(self) -> float:
        return float("inf")

    def event(self, _now: float) -> bytes | None:
        changed, self.seen = self.seen < self.changes.number, self.changes.number
        return self._group.event if changed else None
