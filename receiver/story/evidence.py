"""All that is stored about one task, read by the queries of the rooms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from receiver.domain.facts import ARRIVAL, Fact, TaskSettled
from receiver.domain.readings import place_of
from receiver.domain.task_facts import MOST_FACTS
from receiver.domain.timeline import Timeline
from receiver.intake.queries import deliveries_named
from receiver.ledger import dirty
from receiver.outcomes.task_messages import TaskMessages, task_messages
from receiver.reconcile.due_sql import last_passes
from receiver.runtime.clock import Clock
from receiver.storage import leases
from receiver.storage.leases import DELIVERY_LEASE, reconcile_lease
from receiver.story.customer import SameNumber, same_numbers
from receiver.tasks import queries


@dataclass(frozen=True, slots=True)
class StoryEvidence:
    """`facts`: all, in order of arrival. `row`: of `task`; None if the task is not folded yet. `marks`: of
    facts that are not folded yet. `queue`: with its last sweep. `passes`: the last ones of reconciliation.
    `leases`: lease → holder. `deliveries`: id → raw delivery, of those that are still stored.
    """

    timeline: Timeline
    facts: Sequence[Fact]
    row: Row[Any] | None
    marks: Sequence[Row[Any]]
    queue: Row[Any] | None
    passes: Sequence[Row[Any]]
    leases: dict[str, str]
    deliveries: dict[str, Row[Any]]
    told: TaskMessages
    same_numbers: Sequence[SameNumber]


def read_evidence(
    connection: Connection, clock: Clock, timeline: Timeline, facts: Sequence[Fact], until: float
) -> StoryEvidence:
    """Return what is stored about a task. `facts`: those that were folded to the timeline; `until`: when the
    other tasks of the customer had begun.
    """
    account, key = timeline.account, timeline.key
    names = {fact.ref for fact in facts if fact.ref}
    names |= {f"#{fact.task_id}" for fact in facts if fact.task_id}
    folded = sorted(facts, key=ARRIVAL)[:MOST_FACTS]
    places = (place_of(fact.id) for fact in folded)
    queue = queries.queues(account, timeline.queue_id) if timeline.queue_id else None
    return StoryEvidence(
        timeline=timeline,
        facts=folded,
        row=connection.execute(queries.task(account, key)).first(),
        marks=dirty.marks(connection, account, sorted(names)),
        queue=connection.execute(queue).first() if queue is not None else None,
        passes=connection.execute(last_passes(account)).all(),
        leases=leases.held(connection, (DELIVERY_LEASE, reconcile_lease(account)), clock.real(clock.now())),
        deliveries=deliveries_named(connection, {place.delivery for place in places if place}),
        told=task_messages(connection, account, key),
        same_numbers=same_numbers(connection, account, key, until),
    )


def own_facts(timeline: Timeline, facts: Sequence[Fact]) -> list[Fact]:
    """Return the facts that count: not superseded, and not of another task with the same ref."""
    superseded = {fact_id for fact_id, flags in timeline.hooks.flags.items() if "superseded" in flags}
    return [
        fact
        for fact in facts
        if fact.id not in superseded and (fact.task_id is None or fact.task_id == timeline.task_id)
    ]


def settled_at(facts: Sequence[Fact]) -> float | None:
    """Return when the time for late hooks was over."""
    return next((fact.at for fact in facts if isinstance(fact.payload, TaskSettled)), None)
