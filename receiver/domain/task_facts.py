"""One task's facts, sorted by what they are."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from receiver.domain.facts import ARRIVAL, CallRecord, Fact, HookEvent, TaskGone, TaskSettled, TaskSnapshot
from receiver.domain.fields import call_key
from receiver.domain.readings import current_readings, is_of_rereading

MOST_FACTS = 1_000
"""Maximum number of a task's facts that are folded. A real task has a few hundred; one with more shares its
URLs with other tasks.
"""

MOST_READ = 2 * MOST_FACTS
"""Number of facts beyond which a task is not folded again. It is twice MOST_FACTS, because another receiver
may commit early facts late: they still count among the first.
"""

CROWDED, FROZEN = 1, 2
"""Values of `crowding`: more facts than MOST_FACTS; more than MOST_READ, so that it is not folded again."""

HookFact = tuple[Fact, HookEvent]
SnapshotFact = tuple[Fact, TaskSnapshot]


def _no_hooks() -> dict[str, list[HookFact]]:
    return {"before": [], "before_again": [], "success": [], "after": []}


@dataclass(slots=True)
class TaskFacts:
    """A task's facts by kind, in order of arrival. Only `all` and `task_ids` include other tasks under the
    same ref. `crowding`: CROWDED or FROZEN, with only the first MOST_FACTS facts, or 0.

    `task_id`: the oldest id; another id under the same ref is another task's. `named`: call key → first
    spelling, of calls that records or hooks name; `api_named`: keys of calls that records name. `calls`: call
    key → call history's record. `end`: the first finished record; `plan`: the most complete record.
    `unplaced`: as in `TaskSettled`. `superseded`: ids of facts that no longer count; `is_void`: True if no
    fact that counts is left.
    """

    all: tuple[Fact, ...]
    task_ids: set[str]
    task_id: str | None
    hooks: list[HookFact] = field(default_factory=list)
    hooks_by_event: dict[str, list[HookFact]] = field(default_factory=_no_hooks)
    snapshots: list[SnapshotFact] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)
    api_named: set[str] = field(default_factory=set)
    calls: dict[str, CallRecord] = field(default_factory=dict)
    gone: Fact | None = None
    settled: Fact | None = None
    end: Fact | None = None
    plan: TaskSnapshot | None = None
    crowding: int = 0
    unplaced: tuple[str, ...] = ()
    superseded: frozenset[str] = frozenset()
    is_reread: bool = False
    is_void: bool = False

    def first(self, event: str) -> Fact | None:
        """Return the first delivery of an event."""
        hooks = self.hooks_by_event[event]
        return hooks[0][0] if hooks else None


def sort(facts: Iterable[Fact]) -> TaskFacts:
    """Sort one task's facts, given in any order. The earliest of facts with the same id counts."""
    first: dict[str, Fact] = {}
    for fact in sorted(facts, key=ARRIVAL):
        first.setdefault(fact.id, fact)
    unique = tuple(first.values())
    if len(unique) <= MOST_FACTS:
        return _sort(unique)
    return _sort(unique[:MOST_FACTS], FROZEN if len(unique) > MOST_READ else CROWDED)


def _sort(unique: tuple[Fact, ...], crowding: int = 0) -> TaskFacts:
    task_ids = {fact.task_id for fact in unique if fact.task_id}
    task_id = min(task_ids, key=lambda text: (len(text), text)) if task_ids else None
    facts = TaskFacts(unique, task_ids, task_id, crowding=crowding)
    for fact in unique:
        if fact.task_id is None or fact.task_id == task_id:
            _add(facts, fact)
        elif is_of_rereading(fact):
            facts.is_reread = True
    if facts.is_reread:
        return _sort_last_readings(facts)
    facts.api_named.update(facts.named)
    for hooks in facts.hooks_by_event.values():
        for _, hook in hooks:
            if hook.call:
                _name_call(facts, hook.call)
    return facts


def _sort_last_readings(all_readings: TaskFacts) -> TaskFacts:
    """Sort again with only the last reading of each delivery."""
    readings = current_readings(all_readings.all)
    if readings.is_void:
        facts = TaskFacts(all_readings.all, all_readings.task_ids, all_readings.task_id, is_void=True)
        facts.crowding = all_readings.crowding
    else:
        facts = _sort(readings.current, all_readings.crowding)
    facts.superseded = readings.superseded
    return facts


def _name_call(facts: TaskFacts, call: str) -> None:
    if key := call_key(call):
        facts.named.setdefault(key, call)


def _add(facts: TaskFacts, fact: Fact) -> None:
    payload = fact.payload
    if isinstance(payload, HookEvent):
        facts.hooks.append((fact, payload))
        facts.hooks_by_event[payload.event].append((fact, payload))
    elif isinstance(payload, TaskSnapshot):
        facts.snapshots.append((fact, payload))
        if payload.cdr:
            _name_call(facts, payload.cdr)
        if payload.status == "finished":
            facts.end = facts.end or fact
            facts.plan = payload
        elif facts.end is None:
            facts.plan = payload
    elif isinstance(payload, CallRecord):
        key = call_key(payload.call)
        if key and (payload.found or key not in facts.calls):
            facts.calls[key] = payload
    elif isinstance(payload, TaskGone):
        facts.gone = facts.gone or fact
    elif isinstance(payload, TaskSettled):
        before = facts.unplaced if facts.settled else payload.unplaced
        facts.unplaced = tuple([event for event in before if event in payload.unplaced])
        facts.settled = facts.settled or fact
    elif is_of_rereading(fact):
        facts.is_reread = True
