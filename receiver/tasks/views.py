"""Views of tasks in the API, made from rows and timelines. `numbers`: show phone numbers in full."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from receiver.domain.expected_hooks import missing_hooks
from receiver.domain.facts import (
    ARRIVAL,
    EVENTS,
    CallRecord,
    Fact,
    HookContent,
    TaskSettled,
    WithdrawnEvent,
    pack,
)
from receiver.domain.masking import mask_number, mask_text, mask_tree
from receiver.domain.moments import iso
from receiver.domain.readings import place_of
from receiver.domain.task_facts import MOST_FACTS
from receiver.domain.task_rows import finding_rows, task_row
from receiver.domain.timeline import Timeline
from receiver.http.schemas import Json
from receiver.tasks.schemas import FactView, FindingView, HookCount, PhoneCall, Task, TimelineView

_MASKS = {"a_number": mask_number, "b_number": mask_number, "name": mask_text, "finish_comment": mask_text}


def task_view(row: Mapping[str, Any], numbers: bool) -> Task:
    """Return the view of a row of `task`."""
    values = {name: row[name] for name in Task.model_fields if name in row}
    if not numbers:
        values |= {name: mask(values[name]) for name, mask in _MASKS.items() if values[name]}
    counts = ("expected", "arrived", "duplicates", "lost")
    suspected = _suspected(row)
    hooks = {
        event: HookCount(
            **{name: row[name].get(event, 0) for name in counts}, suspected=suspected.get(event, 0)
        )
        for event in EVENTS
    }
    lost = sum(row["lost"].values())
    return Task(**values, hooks=hooks, lost_hooks=lost, suspected_hooks=sum(suspected.values()))


def _suspected(row: Mapping[str, Any]) -> dict[str, int]:
    """Return event → hooks of a settled task that are missing and not counted as lost."""
    missing = missing_hooks(row["expected"], row["arrived"]) if row["settled"] else {}
    return {event: count - row["lost"].get(event, 0) for event, count in missing.items()}


def timeline_view(timeline: Timeline, facts: list[Fact], numbers: bool) -> TimelineView:
    """Return a task with the facts that were folded."""
    folded = sorted(facts, key=ARRIVAL)[:MOST_FACTS]
    return TimelineView(
        task=task_view(task_row(timeline), numbers),
        facts=[_fact_view(fact, timeline.hooks.flags.get(fact.id, ()), numbers) for fact in folded],
        findings=[FindingView(**row) for row in finding_rows(timeline)],
        calls=[_call_view(call, numbers) for call in timeline.calls],
    )


def _fact_view(fact: Fact, flags: tuple[str, ...], numbers: bool) -> FactView:
    hook = fact.payload if isinstance(fact.payload, HookContent | WithdrawnEvent) else None
    place = place_of(fact.id) if hook else None
    settled = isinstance(fact.payload, TaskSettled)
    return FactView.model_validate(
        {
            "at": fact.at,
            "source": "hook" if hook else "receiver" if settled else "api",
            "kind": fact.kind,
            "event": hook.event if hook else None,
            "delivery_id": place.delivery if place else None,
            "said": _content(fact, numbers),
            "flags": flags,
        }
    )


def _content(fact: Fact, numbers: bool) -> Json:
    """Return the payload with times in ISO 8601."""
    payload = json.loads(pack(fact.payload))
    times = {name: iso(at) for name, at in payload.items() if name.endswith("_at")}
    content: Json = (payload if numbers else mask_tree(payload)) | times
    return content


def _call_view(call: CallRecord, numbers: bool) -> PhoneCall:
    record = asdict(call)
    if not numbers:
        record |= mask_tree({name: record[name] for name in ("legs", "extra", "hangup_cause", "result")})
    return PhoneCall.model_validate(record)
