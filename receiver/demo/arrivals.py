"""What of all that was told has arrived at the sample CRM, and whether it ended up with the truth."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from receiver.demo.compare import Disagreement, TaskName, end_findings, find, helps_of, unheard
from receiver.demo.crm import SampleCrm
from receiver.domain.masking import mask_tree
from receiver.outcomes.tables import OUTCOME

_SHOWN = 50
"""Disagreements that are listed one by one."""

_SAMPLES = ("task.connected", "task.finished", "task.reconciled")


class Told(NamedTuple):
    """An event that was told, and of which task."""

    id: str
    account: str
    key: str


def read_told(connection: Connection) -> list[Told]:
    """All events, in the order in which they were told."""
    query = select(OUTCOME.c.id, OUTCOME.c.account, OUTCOME.c.key).order_by(OUTCOME.c.seq)
    return [Told(*row) for row in connection.execute(query)]


def judge(
    crm: SampleCrm, told: Sequence[Told], truth: Mapping[str, Any], accounts: Mapping[str, str]
) -> dict[str, Any]:
    """As plain JSON. `truth`: the emulator's. `accounts`: the scheduler's number → our name."""
    wrong = compare_ends(crm.events.values(), truth, accounts)
    return {
        "told": len(told),
        "arrived": len(crm.events),
        "repeated": len(crm.repeated),
        "bad_answers": dict(sorted(crm.bad_answers.items())),
        "refused": crm.refused,
        "never_arrived": sum(1 for each in told if each.id not in crm.events),
        "out_of_order": count_disordered(list(crm.events), told),
        "disagree": len({(each.account, each.task_id) for each in wrong}),
        "disagreements": [{name: getattr(each, name) for name in each.__slots__} for each in wrong[:_SHOWN]],
        "samples": [
            {"requests": crm.requests[event["id"]], "event": mask_tree(event)}
            for event in _samples(list(crm.events.values()))
        ],
    }


def is_good(arrivals: Mapping[str, Any]) -> bool:
    """Whether the CRM has got everything, believed all of it, in order, and ended up with the truth."""
    return not any(arrivals[name] for name in ("refused", "never_arrived", "out_of_order", "disagree"))


def compare_ends(
    events: Iterable[Mapping[str, Any]], truth: Mapping[str, Any], accounts: Mapping[str, str]
) -> list[Disagreement]:
    """What the CRM has wrong, or does not know though it could, once it has believed the last event of each
    task.
    """
    ends: dict[TaskName, Mapping[str, Any]] = {}
    helps = helps_of(truth)
    for event in events:
        data = event["data"]
        ends[data["account"], data["task_id"] or data["ref"]] = data
    found: list[Disagreement] = []
    for task in truth["tasks"]:
        name = accounts[task["account"]], str(task["task_id"])
        key, told = find(task, name, ends), helps[task["account"], task["task_id"]]
        findings = end_findings(task, _as_known(ends[key]), told) if key else [unheard(told)]
        found += [Disagreement(*name, *each[:4]) for each in findings if not each.excused]
    return found


def _as_known(data: Mapping[str, Any]) -> dict[str, Any]:
    """An event's data in the words of the scheduler, which only knows success and failure."""
    finish = (
        ("success" if data["result"] == "connected" else "failed") if data["state"] == "finished" else None
    )
    return {**data, "finish_result": finish}


def count_disordered(arrived: Sequence[str], told: Sequence[Told]) -> int:
    """Tasks of which the CRM got an event before one that precedes it."""
    places = {event: place for place, event in enumerate(arrived)}
    tasks: dict[tuple[str, str], list[int]] = defaultdict(list)
    for each in told:
        if each.id in places:
            tasks[each.account, each.key].append(places[each.id])
    return sum(1 for mine in tasks.values() if mine != sorted(mine))


def _samples(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first of each type that says the most, in the order in which they came."""
    firsts = {event["type"]: event for event in reversed(events)}
    return [firsts[each] for each in _SAMPLES if each in firsts]
