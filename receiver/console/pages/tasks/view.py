"""What the page of a task shows beside the story itself: the picture, the list of moments, texts to copy."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any
from urllib.parse import urlencode

import orjson
from markupsafe import Markup

from receiver.console.timeline.content import SIZES, content_of
from receiver.console.timeline.layout import layout
from receiver.console.timeline.marks import Mark, Sign, marks_of
from receiver.console.timeline.spans import lateness
from receiver.console.timeline.svg import bar_svg, sign_svg, svg
from receiver.console.visit import task_path
from receiver.domain.masking import mask_text
from receiver.domain.moments import iso, read_time
from receiver.i18n.catalogue import Catalogue
from receiver.story.schemas import Story, StoryAttempt
from receiver.story.times import Times, duration
from receiver.tasks.schemas import FactView

MOST = 100
"""Facts and moments that are shown at first."""

_LONGEST = 160
"""Maximum characters of a value of a fact; longer ones are in the JSON."""

_IMPLIED = ("event", "readable")
"""Fields of a fact that its row shows in other ways."""

_LEG = ("dest_number", "result", "hangup_cause")
"""Fields of a leg that are shown among the content of a fact."""

_SIGNS: tuple[Sign, ...] = (
    *("arrived", "missing", "double", "late", "unreadable", "closed"),
    *("answer", "event", "delivered", "failed", "waiting", "dead"),
)
_BARS = ("ring", "hold", "talk", "pause", "plan")


@dataclass(frozen=True)
class TaskView:
    """A story as its page shows it."""

    story: Story
    times: Times
    texts: Catalogue

    @cached_property
    def address(self) -> str:
        """Return the address of the page, of the present."""
        return task_path(self.story.task.account, self.story.task.key)

    def as_of(self, moment: float) -> str:
        """Return the address of the page as the task was known at a moment."""
        return f"{self.address}?{urlencode({'as_of': after(moment)})}"

    def raw(self, delivery: str, as_of: str | None) -> str:
        """Return the address of the page with the content of a delivery."""
        path = task_path(self.story.task.account, self.story.task.key, as_of=as_of, delivery=delivery)
        return f"{path}#delivery"

    def request(self, seq: int) -> str:
        """Return the address of the page with the request of a message."""
        return f"{task_path(self.story.task.account, self.story.task.key, request=str(seq))}#request"

    def below(self, name: str) -> str:
        """Return the address of an action of the page."""
        return task_path(self.story.task.account, self.story.task.key, name)

    def json_path(self, as_of: str | None) -> str:
        """Return the address of the story as JSON."""
        return task_path(self.story.task.account, self.story.task.key, as_of=as_of, format="json")

    @cached_property
    def marks(self) -> list[Mark]:
        """Return all moments, in order of time."""
        return marks_of(self.story)

    @property
    def pictures(self) -> list[Markup]:
        """Return the picture in all sizes; empty if there is nothing to draw."""
        content = content_of(self.story, self.times, self.texts)
        if not (content.spans or content.marks or content.starts):
            return []
        sentences = " ".join(self.story.sentences)
        title = self.texts.text("console_timeline.title")
        described = self.texts.text("console_timeline.described", sentences=sentences)
        return [svg(layout(content, size), size.name, title, described) for size in SIZES]

    @property
    def legend(self) -> list[tuple[Markup, str]]:
        """Return the signs that the picture has, with their meanings."""
        text = self.texts.text
        used = {mark.sign for mark in self.marks}
        bars = [(bar_svg(bar, f"legend-{bar}"), text(f"console_timeline.legend.{bar}")) for bar in _BARS]
        signs = [sign for sign in _SIGNS if sign in used]
        return [*bars, *((sign_svg(sign), text(f"console_timeline.legend.{sign}")) for sign in signs)]

    def sign(self, mark: Mark) -> Markup:
        return sign_svg(mark.sign)

    def lane(self, mark: Mark) -> str:
        """Return the name of a mark's lane: that of a subscription, or a word."""
        names = {each.subscription: each.name for each in self.story.subscribers}
        if mark.lane in names:
            return names[mark.lane] or mark.lane
        return self.texts.text(f"console_timeline.lane.{mark.lane}")

    def late(self, attempt: StoryAttempt) -> str:
        return self.texts.render(lateness(attempt.late_s))

    def length(self, seconds: float | None) -> str:
        """Return a duration; a dash if it is not known."""
        return "–" if seconds is None else self.texts.render(duration(seconds))

    def content(self, fact: FactView) -> Iterator[tuple[str, str]]:
        """Yield names and values of a fact; long values are cut."""
        for name, value in fact.said.items():
            if name not in _IMPLIED and value not in ("", None):
                text = _text(self.times, name, value)
                yield name, text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"

    @property
    def ticket(self) -> str:
        """Return the story as text without phone numbers, names and comments."""
        return "\n".join(_ticket(self))


def after(moment: float) -> str:
    """Return a moment for `as_of`, not earlier than the given one."""
    return iso(ceil(moment * 1000) / 1000)


def _text(times: Times, name: str, value: Any) -> str:
    """Return a value of a fact: a moment in the zone of the page, a list with commas, others as JSON."""
    at = read_time(value) if name.endswith("_at") and isinstance(value, str) else None
    if at is not None:
        return times.at(at)
    if name == "legs":
        return ", ".join(" ".join(str(leg[key]) for key in _LEG if leg.get(key)) for leg in value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _ticket(view: TaskView) -> Iterator[str]:
    story, text = view.story, view.texts.text
    task = story.task
    names = [task.account, task.key, task.task_id and f"id {task.task_id}", task.queue_name or task.queue_id]
    yield text("console_task.ticket.task", task=" · ".join(filter(None, names)))
    yield text("console_task.ticket.at", at=view.times.dated(story.at), zone=view.times.zone)
    yield from map(mask_text, story.sentences)
    for attempt in story.attempts:
        yield f"{attempt.number}. {_attempt(view, attempt)}"
    for wait in story.waits or ():
        yield f"{text('console_task.next.title')}: {mask_text(wait.text)}"
    for each in story.contradictions:
        yield f"{text('story.contradictions')}: {each.text}"


def _attempt(view: TaskView, attempt: StoryAttempt) -> str:
    began = view.times.dated(attempt.started_at) if attempt.started_at is not None else "?"
    reason = view.texts.text(f"console_timeline.reason.{attempt.reason or 'unknown'}")
    return ", ".join(filter(None, (began, reason, attempt.call and f"call {attempt.call}")))
