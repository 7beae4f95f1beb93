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
from receiver.outcomes.tables import OPEN
from receiver.outcomes.task_messages import TaskMessages, task_messages
from receiver.reconcile.due_sql import last_passes
from receiver.runtime.clock import Clock
from receiver.storage import leases
from receiver.storage.leases import DELIVERY_LEASE, reconcile_lease
from receiver.story.customer import SameNumber, same_numbers
from receiver.tasks.names import queue_status
from receiver.tasks.task_endpoints import RecordedTask


@dataclass(frozen=True, slots=True)
class StoryEvidence:
    """`facts`: all, in order of arrival. `row`: of `task`; None if the task is not folded yet. `marks`: of
    facts that are not folded yet. `passes`: the last ones of reconciliation, if it still has to ask.
    `leases`: lease → holder, if work is left. `deliveries`: id → raw delivery, of the stored ones.
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
    connection: Connection, clock: Clock, timeline: Timeline, task: RecordedTask, until: float
) -> StoryEvidence:
    """Return what is stored about a task. `timeline`: folded from its facts; `until`: when the other tasks of
    the customer had begun.
    """
    account, key = timeline.account, timeline.key
    folded = sorted(task.facts, key=ARRIVAL)[:MOST_FACTS]
    places = (place_of(fact.id) for fact in folded)
    told = task_messages(connection, account, key)
    is_waiting = timeline.due is not None or any(message.state in OPEN for message in told.messages)
    return StoryEvidence(
        timeline=timeline,
        facts=folded,
        row=task.row,
        marks=dirty.marks(connection, account, sorted(_names(task.facts))),
        queue=queue_status(connection, account, timeline.queue_id) if timeline.queue_id else None,
        passes=connection.execute(last_passes(account)).all() if timeline.due else (),
        leases=_leases(connection, clock, account) if is_waiting else {},
        deliveries=deliveries_named(connection, {place.delivery for place in places if place}),
        told=told,
        same_numbers=same_numbers(connection, account, key, until),
    )


def _names(facts: Sequence[Fact]) -> set[str]:
    """Return the names under which a task is marked as dirty."""
    by_id = {f"#{fact.task_id}" for fact in facts if fact.task_id}
    return {fact.ref for fact in facts if fact.ref} | by_id


def _leases(connection: Connection, clock: Clock, account: str) -> dict[str, str]:
    names = DELIVERY_LEASE, reconcile_lease(account)
    return leases.held(connection, names, clock.real(clock.now()))


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
