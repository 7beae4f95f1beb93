"""The answer of the story, made of what is stored. `numbers`: show phone numbers in full."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import Row

from receiver.domain.expected_hooks import missing_hooks
from receiver.domain.facts import EVENTS, Fact, HookContent
from receiver.domain.masking import mask_number, mask_text
from receiver.domain.readings import place_of
from receiver.domain.timeline import Timeline
from receiver.i18n.catalogue import Catalogue, Phrase
from receiver.outcomes.schemas import DeliveryAttempt
from receiver.outcomes.task_messages import TaskMessage, TaskMessages
from receiver.story.contradictions import Contradiction
from receiver.story.customer import SameNumber
from receiver.story.schemas import (
    HookArrival,
    StoryContradiction,
    StoryDelivery,
    StoryEvent,
    StoryHook,
    StoryMessage,
    StoryNumber,
    StorySubscriber,
    StoryWait,
)
from receiver.story.times import sentence
from receiver.story.waits import Wait
from receiver.tasks.views import task_view


def _masked(text: str | None, numbers: bool) -> str | None:
    return text if numbers or text is None else mask_text(text)


def hook_views(timeline: Timeline, facts: Sequence[Fact]) -> list[StoryHook]:
    """Return the hooks by event. `facts`: those that count."""
    counts, missing = timeline.hooks, missing_hooks(timeline.hooks.expected, timeline.hooks.arrived)
    came: dict[str, list[HookArrival]] = {event: [] for event in EVENTS}
    for fact in facts:
        if isinstance(fact.payload, HookContent):
            place = place_of(fact.id)
            flags = list(counts.flags.get(fact.id, ()))
            arrival = HookArrival.model_validate(
                {"at": fact.at, "delivery_id": place.delivery if place else None, "flags": flags}
            )
            came[fact.payload.event].append(arrival)
    return [
        StoryHook(
            event=event,
            expected=counts.expected.get(event, 0),
            arrived=counts.arrived[event],
            missing=missing.get(event, 0),
            fate=_fate(timeline, event) if event in missing else None,
            came=came[event],
        )
        for event in EVENTS
    ]


def _fate(timeline: Timeline, event: str) -> Any:
    if not timeline.settled:
        return "awaited"
    return "lost" if timeline.hooks.lost.get(event) else "suspected"


def delivery_views(deliveries: Mapping[str, Row[Any]]) -> list[StoryDelivery]:
    """Return the raw deliveries in order of arrival."""
    return [
        StoryDelivery.model_validate(row._asdict() | {"path": f"/v1/deliveries/{row.id}"})
        for row in sorted(deliveries.values(), key=attrgetter("received_at", "id"))
    ]


def event_views(told: TaskMessages) -> list[StoryEvent]:
    """Return the published events."""
    return [StoryEvent.model_validate(row._asdict()) for row in told.events]


def subscriber_views(timeline: Timeline, told: TaskMessages, numbers: bool) -> list[StorySubscriber]:
    """Return what each subscriber was told."""
    ids = sorted({message.subscription for message in told.messages})
    return [_subscriber(timeline, told, subscription, numbers) for subscription in ids]


def _subscriber(timeline: Timeline, told: TaskMessages, subscription: str, numbers: bool) -> StorySubscriber:
    row = told.subscriptions.get(subscription)
    names = ("name", "state", "failing_since", "problem")
    return StorySubscriber(
        subscription=subscription,
        **{name: getattr(row, name) if row else None for name in names},
        messages=[
            _message(timeline, told, message, numbers)
            for message in told.messages
            if message.subscription == subscription
        ],
    )


def _message(timeline: Timeline, told: TaskMessages, message: TaskMessage, numbers: bool) -> StoryMessage:
    first = told.blocking(message)
    others = ("account", "key", "blocked_by", "postings")
    names = [name for name in StoryMessage.model_fields if name not in others]
    return StoryMessage(
        account=timeline.account,
        key=timeline.key,
        **{name: getattr(message, name) for name in names},
        blocked_by=first.seq if first else None,
        postings=[_posting(attempt, numbers) for attempt in message.postings],
    )


def _posting(attempt: Row[Any], numbers: bool) -> DeliveryAttempt:
    texts = {name: _masked(getattr(attempt, name), numbers) for name in ("answer", "problem")}
    return DeliveryAttempt.model_validate(attempt._asdict() | texts)


def number_views(numbers_found: Sequence[SameNumber], numbers: bool) -> list[StoryNumber]:
    """Return the other tasks with the same numbers."""
    return [
        StoryNumber.model_validate(
            {
                "leg": found.leg,
                "number": found.e164 if numbers else mask_number(found.e164),
                "count": found.count,
                "tasks": [task_view(row._asdict(), numbers) for row in found.tasks],
            }
        )
        for found in numbers_found
    ]


def contradiction_views(found: Sequence[Contradiction], texts: Catalogue) -> list[StoryContradiction]:
    """Return what contradicts, as sentences with the facts that show it."""
    return [
        StoryContradiction(
            kind=each.finding.kind,
            count=each.finding.count,
            text=sentence(texts, [Phrase(f"story.finding.{each.finding.kind}")]),
            detail=each.finding.detail,
            facts=list(each.facts),
        )
        for each in found
    ]


def wait_views(waits: Sequence[Wait], texts: Catalogue) -> list[StoryWait]:
    """Return what the task waits for, as sentences."""
    return [StoryWait(kind=wait.kind, text=sentence(texts, wait.clauses), until=wait.until) for wait in waits]
