"""One task's facts, sorted by what they are."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from receiver.domain.facts import ARRIVAL, CallSaid, Fact, GoneSaid, HookSaid, SettledSaid, TaskSaid
from receiver.domain.fields import call_key
from receiver.domain.readings import is_of_rereading, sift
from receiver.domain.timeline import CROWDED, FROZEN

MOST_FACTS = 1_000
"""Number of a task's facts that are folded. A real task has at most a few hundred; one that has more shares
its URLs with other tasks.
"""

MOST_READ = 2 * MOST_FACTS
"""Number of facts beyond which a task is not folded again. Twice as many as are folded, so that facts which
another receiver commits late, but which came early, still find their place among the first.
"""

Heard = tuple[Fact, HookSaid]
Seen = tuple[Fact, TaskSaid]


def _no_hooks() -> dict[str, list[Heard]]:
    return {"before": [], "before_again": [], "success": [], "after": []}


@dataclass(slots=True)
class Known:
    """What there is to fold, each kind in order of arrival; only `all` and `task_ids` cover other tasks too.
    Of a crowded task there are only the first MOST_FACTS; `crowding`: as in `Timeline`.

    `task_id`: the oldest id; another one under the same ref is another task's. `named`: the calls that the
    records and then the hooks name, call key → as it was spelled first; `api_named`: the keys of those in
    records. `calls`: call key → what call history says of it. `end`: the first record that says finished;
    `plan`: the one that says most. `unplaced`: events whose missing hooks may be deliveries of no task, as
    long as no other word denies it. `superseded`: ids of facts that count no more; where nothing is left that
    vouches for the task, it `is_void`.
    """

    all: tuple[Fact, ...]
    task_ids: set[str]
    task_id: str | None
    heard: list[Heard] = field(default_factory=list)
    hooks: dict[str, list[Heard]] = field(default_factory=_no_hooks)
    seen: list[Seen] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)
    api_named: set[str] = field(default_factory=set)
    calls: dict[str, CallSaid] = field(default_factory=dict)
    gone: Fact | None = None
    settled: Fact | None = None
    end: Fact | None = None
    plan: TaskSaid | None = None
    crowding: int = 0
    unplaced: tuple[str, ...] = ()
    superseded: frozenset[str] = frozenset()
    is_reread: bool = False
    is_void: bool = False

    def first(self, event: str) -> Fact | None:
        """The first delivery of an event."""
        heard = self.hooks[event]
        return heard[0][0] if heard else None


def sort(facts: Iterable[Fact]) -> Known:
    """One task's facts, given in any order; of those with the same id the earliest counts."""
    first: dict[str, Fact] = {}
    for fact in sorted(facts, key=ARRIVAL):
        first.setdefault(fact.id, fact)
    unique = tuple(first.values())
    if len(unique) <= MOST_FACTS:
        return _sort(unique)
    return _sort(unique[:MOST_FACTS], FROZEN if len(unique) > MOST_READ else CROWDED)


def _sort(unique: tuple[Fact, ...], crowding: int = 0) -> Known:
    task_ids = {fact.task_id for fact in unique if fact.task_id}
    task_id = min(task_ids, key=lambda text: (len(text), text)) if task_ids else None
    known = Known(unique, task_ids, task_id, crowding=crowding)
    for fact in unique:
        if fact.task_id is None or fact.task_id == task_id:
            _put(known, fact)
        elif is_of_rereading(fact):
            known.is_reread = True
    if known.is_reread:
        return _sort_as_read_last(known)
    known.api_named.update(known.named)
    for call in [said.call for heard in known.hooks.values() for _, said in heard if said.call]:
        _name(known, call)
    return known


def _sort_as_read_last(all_readings: Known) -> Known:
    """Only the last reading of each delivery counts."""
    readings = sift(all_readings.all)
    if readings.is_void:
        known = Known(all_readings.all, all_readings.task_ids, all_readings.task_id, is_void=True)
        known.crowding = all_readings.crowding
    else:
        known = _sort(readings.current, all_readings.crowding)
    known.superseded = readings.superseded
    return known


def _name(known: Known, call: str) -> None:
    if key := call_key(call):
        known.named.setdefault(key, call)


def _put(known: Known, fact: Fact) -> None:
    said = fact.said
    if isinstance(said, HookSaid):
        known.heard.append((fact, said))
        known.hooks[said.event].append((fact, said))
    elif isinstance(said, TaskSaid):
        known.seen.append((fact, said))
        if said.cdr:
            _name(known, said.cdr)
        if said.status == "finished":
            known.end = known.end or fact
            known.plan = said
        elif known.end is None:
            known.plan = said
    elif isinstance(said, CallSaid):
        key = call_key(said.call)
        if key and (said.found or key not in known.calls):
            known.calls[key] = said
    elif isinstance(said, GoneSaid):
        known.gone = known.gone or fact
    elif isinstance(said, SettledSaid):
        before = known.unplaced if known.settled else said.unplaced
        known.unplaced = tuple([event for event in before if event in said.unplaced])
        known.settled = known.settled or fact
    elif is_of_rereading(fact):
        known.is_reread = True
