"""The endpoint that tells the whole story of a task."""

from collections.abc import Sequence

from pydantic import Field
from sqlalchemy import Connection

from receiver.domain.facts import Fact
from receiver.domain.timeline import Timeline
from receiver.http.endpoint import Call, Endpoint
from receiver.http.schemas import Word
from receiver.i18n.catalogue import Catalogue, Language, catalogue
from receiver.outcomes.task_messages import TaskMessages
from receiver.story.attempt_views import AttemptRules, attempt_views
from receiver.story.contradictions import contradictions
from receiver.story.evidence import StoryEvidence, own_facts, read_evidence
from receiver.story.message_waits import message_waits
from receiver.story.schemas import Story
from receiver.story.sentences import call_sentence, finding_sentence, hook_sentence, told_sentence
from receiver.story.times import Times, sentence
from receiver.story.views import (
    contradiction_views,
    delivery_views,
    event_views,
    hook_views,
    number_views,
    subscriber_views,
    wait_views,
)
from receiver.story.waits import next_attempt_at, task_waits
from receiver.tasks.names import named_queues
from receiver.tasks.params import AsOfQuery
from receiver.tasks.task_endpoints import known_task
from receiver.tasks.views import timeline_view


class StoryQuery(AsOfQuery):
    """How the story is told."""

    zone: Word | None = Field(
        None,
        description="Time zone of the sentences. Default: `analytics.zone` in the settings.",
        examples=["Europe/Moscow"],
    )
    lang: Language = Field("en", description="Language of the sentences.", examples=["en"])


async def get_story(call: Call[StoryQuery, None]) -> Story:
    """Return the story of a task, as it is now or was known at a time. Raises NotFoundError, InputError."""
    zone = call.query.zone or call.context.rules.zone
    times = Times(zone, call.context.clock.now())

    def read(connection: Connection) -> Story:
        evidence = read_story(connection, call)
        story = _story(call, evidence, times)
        queue_name = evidence.queue.name if evidence.queue else None
        story.task.queue_name = queue_name
        for finding in story.findings:
            finding.queue_name = queue_name
        named_queues(connection, [task for same in story.same_number for task in same.tasks])
        return story

    return await call.context.store.read(read)


def read_story(connection: Connection, call: Call[StoryQuery, None]) -> StoryEvidence:
    """Return what is stored about the task of a call. Raises NotFoundError."""
    task = known_task(connection, call)
    clock, as_of = call.context.clock, call.query.as_of
    until = clock.now() if as_of is None else as_of
    return read_evidence(connection, clock, call.context.fold(task.facts), task, until)


def _story(call: Call[StoryQuery, None], evidence: StoryEvidence, times: Times) -> Story:
    as_of, numbers, texts = call.query.as_of, call.numbers, catalogue(call.query.lang)
    timeline, told = evidence.timeline, evidence.told if as_of is None else evidence.told.known_at(as_of)
    own = own_facts(timeline, evidence.facts)
    recordings = call.context.rules.recordings.get(timeline.account)
    waits = None
    if as_of is None:
        rules = call.context.rules
        waits = [*task_waits(evidence, rules, times), *message_waits(evidence, rules, times)]
    return Story(
        **dict(timeline_view(timeline, list(evidence.facts), numbers)),
        at=times.now if as_of is None else as_of,
        zone=times.zone,
        sentences=_sentences(timeline, own, told, times, texts),
        waits=wait_views(waits, texts) if waits is not None else None,
        contradictions=contradiction_views(contradictions(timeline, evidence.facts), texts),
        attempts=attempt_views(timeline, AttemptRules(numbers, recordings)),
        next_attempt_at=next_attempt_at(timeline),
        hooks=hook_views(timeline, own),
        deliveries=delivery_views(evidence.deliveries),
        events=event_views(told),
        subscribers=subscriber_views(timeline, told, numbers),
        same_number=number_views(evidence.same_numbers, numbers),
    )


def _sentences(
    timeline: Timeline, own: Sequence[Fact], told: TaskMessages, times: Times, texts: Catalogue
) -> list[str]:
    clauses = (
        call_sentence(timeline, own, times),
        hook_sentence(timeline),
        finding_sentence(timeline),
        told_sentence(told, times),
    )
    return list(filter(None, (sentence(texts, each) for each in clauses)))


STORY_ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/tasks/{account}/{key}/story",
        "Get the whole story of a task",
        "What happened, in sentences; what the task waits for and why nothing moves; its attempts with "
        "their legs, hooks, raw deliveries and facts; what each subscriber was told, what it answered, and "
        "when the next attempt is.",
        "read",
        Story,
        get_story,
        StoryQuery,
    ),
)
