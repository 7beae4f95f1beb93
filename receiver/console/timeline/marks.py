"""What happens at one moment on the timeline of a task: hooks, answers of the API, events, deliveries."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from receiver.console.timeline.spans import lateness
from receiver.i18n.catalogue import Phrase
from receiver.outcomes.tables import OPEN
from receiver.story.schemas import HookArrival, Story, StoryHook, StoryMessage, StorySubscriber
from receiver.story.times import duration
from receiver.tasks.schemas import FactView

Sign = Literal[
    "arrived",
    "missing",
    "double",
    "late",
    "unreadable",
    "closed",
    "answer",
    "event",
    "delivered",
    "failed",
    "waiting",
    "dead",
    "call",
]
"""How a mark is drawn."""

HOOKS, API, EVENTS, CALLS = "hooks", "api", "events", "calls"
"""Lanes of marks; each subscription has a lane of its own, named by its id. Marks of CALLS are only in the
list, since the spans show them.
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a moment, or was expected then. `label`: beside the sign if there is room;
    `text`: for the list.
    """

    at: float
    lane: str
    sign: Sign
    label: str
    text: Phrase


def marks_of(story: Story) -> list[Mark]:
    """Return all marks of a story, in order of time."""
    found = [*_calls(story), *_hooks(story), *_facts(story), *_events(story), *_deliveries(story)]
    return sorted(found, key=lambda mark: mark.at)


def _calls(story: Story) -> Iterator[Mark]:
    """Yield what happened in the calls, for the list."""
    for attempt in story.attempts:
        number = {"number": attempt.number}
        if attempt.started_at is not None:
            late: dict[str, Phrase | str | float] = {**number, "late": lateness(attempt.late_s)}
            yield _call(attempt.started_at, Phrase("console_timeline.call.started", late))
        for leg in attempt.dialed:
            if leg.answered_at is not None:
                yield _call(leg.answered_at, Phrase(f"console_timeline.call.answered_{leg.side}", number))
        if attempt.connected_at is not None:
            yield _call(attempt.connected_at, Phrase("console_timeline.call.connected", number))
        if attempt.ended_at is not None:
            reason = Phrase(f"console_timeline.reason.{attempt.reason or 'unknown'}")
            yield _call(attempt.ended_at, Phrase("console_timeline.call.ended", {**number, "reason": reason}))


def _call(at: float, text: Phrase) -> Mark:
    return Mark(at, CALLS, "call", "", text)


def _hooks(story: Story) -> Iterator[Mark]:
    for hook in story.hooks:
        for arrival in hook.came:
            yield _arrival(story, hook, arrival)
        for at in _missing_at(story, hook):
            fate = Phrase(f"console_timeline.fate.{hook.fate or 'awaited'}")
            text = Phrase("console_timeline.hook.missing", {"event": hook.event, "fate": fate})
            yield Mark(at, HOOKS, "missing", hook.event, text)
    for fact in story.facts:
        if fact.kind == "settled":
            yield Mark(fact.at, HOOKS, "closed", "", Phrase("console_timeline.hook.closed"))


_UNUSUAL: dict[str, Sign] = {"unreadable": "unreadable", "late": "late", "duplicate": "double"}
"""Flag of a hook → how it is drawn, the most unusual first."""


def _arrival(story: Story, hook: StoryHook, arrival: HookArrival) -> Mark:
    sign: Sign = next((sign for flag, sign in _UNUSUAL.items() if flag in arrival.flags), "arrived")
    values: dict[str, Phrase | str | float] = {"event": hook.event}
    if sign == "late":
        closed = next((fact.at for fact in story.facts if fact.kind == "settled"), arrival.at)
        values["by"] = duration(arrival.at - closed)
    return Mark(arrival.at, HOOKS, sign, hook.event, Phrase(f"console_timeline.hook.{sign}", values))


def _missing_at(story: Story, hook: StoryHook) -> list[float]:
    """Return when the missing hooks of an event were expected."""
    came = [arrival.at for arrival in hook.came if "duplicate" not in arrival.flags]
    expected = _expected_at(story, hook.event)
    for at in came:
        if expected:
            expected.remove(min(expected, key=lambda moment: abs(moment - at)))
    fallback = [story.task.last_at] * hook.missing
    return [*expected, *fallback][: hook.missing]


def _expected_at(story: Story, event: str) -> list[float]:
    """Return when hooks of an event are sent, as far as known."""
    attempts = story.attempts
    if event == "before":
        return _known(attempts[0].started_at if attempts else None)
    if event == "before_again":
        return [at for attempt in attempts[1:] for at in _known(attempt.started_at)]
    if event == "success":
        return [at for attempt in attempts for at in _known(attempt.connected_at)][-1:]
    return _known(attempts[-1].ended_at if attempts else None) or _known(story.task.finished_at)


def _known(moment: float | None) -> list[float]:
    return [] if moment is None else [moment]


def _facts(story: Story) -> Iterator[Mark]:
    """Yield what the API answered."""
    for fact in story.facts:
        if fact.source == "api":
            yield Mark(fact.at, API, "answer", _word(fact), _answer(fact))


def _word(fact: FactView) -> str:
    """Return the vendor's word for the picture."""
    name = {"task": "status", "call": "result"}.get(fact.kind)
    return str(fact.said.get(name) or "") if name else "404"


def _answer(fact: FactView) -> Phrase:
    if fact.kind == "task":
        words = _words(fact, "status", "finish_result", "finish_comment")
        return Phrase("console_timeline.api.task", {"words": words})
    if fact.kind == "call":
        words = _words(fact, "result", "hangup_cause")
        return Phrase("console_timeline.api.call", {"words": words}) if words else _NO_CALL
    return Phrase("console_timeline.api.gone")


def _words(fact: FactView, *names: str) -> str:
    return ", ".join(str(fact.said[name]) for name in names if fact.said.get(name))


_NO_CALL = Phrase("console_timeline.api.no_call")


def _events(story: Story) -> Iterator[Mark]:
    for event in story.events:
        label = event.type.removeprefix("task.")
        yield Mark(
            event.told_at, EVENTS, "event", label, Phrase("console_timeline.published", {"type": event.type})
        )


def _deliveries(story: Story) -> Iterator[Mark]:
    for subscriber in story.subscribers:
        for message in subscriber.messages:
            yield from _attempts(subscriber, message)
            if story.waits is not None:
                yield from _rest(subscriber, message)


def _attempts(subscriber: StorySubscriber, message: StoryMessage) -> Iterator[Mark]:
    """Yield the attempts to deliver a message."""
    for attempt in message.postings:
        values = {**_named(subscriber, message), "ms": round(attempt.took_s * 1000)}
        lane, status = subscriber.subscription, str(attempt.status or "")
        if attempt.problem is None:
            text = Phrase("console_timeline.delivery.delivered", {**values, "status": status})
            yield Mark(attempt.at, lane, "delivered", "", text)
        else:
            text = Phrase("console_timeline.delivery.failed", {**values, "problem": attempt.problem})
            yield Mark(attempt.at, lane, "failed", status, text)


def _rest(subscriber: StorySubscriber, message: StoryMessage) -> Iterator[Mark]:
    """Yield the next attempt of an open message, or that it was given up."""
    values, lane = _named(subscriber, message), subscriber.subscription
    if message.state in OPEN and message.blocked_by is None:
        text = Phrase("console_timeline.delivery.waiting", values)
        yield Mark(message.due_at, lane, "waiting", "", text)
    elif message.state == "dead" and message.settled_at is not None:
        yield Mark(message.settled_at, lane, "dead", "", Phrase("console_timeline.delivery.dead", values))


def _named(subscriber: StorySubscriber, message: StoryMessage) -> dict[str, Phrase | str | float]:
    name = subscriber.name or subscriber.subscription
    return {"name": name, "type": message.type, "seq": str(message.seq)}
