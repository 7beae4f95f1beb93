"""The result of a demonstration: whether the receiver and the sample CRM ended up with the truth."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from receiver.demo.compare import (
    Disagreement,
    TaskKey,
    compare,
    end_differences,
    evidence_by_task,
    find_all,
    missing_task,
)
from receiver.demo.crm import SampleCrm
from receiver.demo.plan import ACCOUNTS
from receiver.demo.run import Demonstration
from receiver.domain.masking import mask_tree
from receiver.ledger.tables import DELIVERY
from receiver.outcomes.tables import OUTCOME
from receiver.tasks.tables import TASK

_SHOWN = 50
"""Disagreements that are listed one by one."""

_SAMPLES = ("task.connected", "task.finished", "task.reconciled")

_FAULTS = ("duplicated", "delayed", "broken")

_ARRIVAL_S, _LOOK_S = 30.0, 0.1
"""Seconds that the last events may take, and between looks: the record of a call may come after the end."""


class PublishedOutcome(NamedTuple):
    """An event that the receiver published, and its task."""

    id: str
    account: str
    key: str


async def summarize(demo: Demonstration, seconds: float) -> dict[str, Any]:
    """Return the result as plain JSON. `truth.disagree` and `crm` decide whether it is good."""
    truth = await demo.truth()
    tasks, received, unread, published = await demo.receiver.store.read(_read)
    await _wait_for(demo, published)
    accounts = {number: name for name, number in ACCOUNTS.items()}
    comparison = compare(truth, tasks, accounts)
    calls = {name: context.client.calls for name, context in demo.receiver.contexts.items()}
    return {
        "tasks": len(truth["tasks"]),
        "seed": demo.options.seed,
        "faults": demo.options.faults,
        "seconds": round(seconds, 1),
        "results": dict(Counter(row["finish_result"] or row["state"] for row in tasks.values())),
        "attempts": dict(Counter("exact" if row["attempts_exact"] else "at_least" for row in tasks.values())),
        "hooks": _hooks(truth, tasks) | {"received": received, "unreadable": unread},
        "api": {"calls": sum(calls.values()), "by_account": calls, "faults": truth["faults"]},
        "truth": {
            "agree": comparison.agree,
            "disagree": comparison.disagree,
            "not_known": comparison.not_known,
            "disagreements": _listed(comparison.disagreements),
            "unknown": _listed(comparison.unknown),
        },
        "crm": judge_crm(demo.crm, published, truth, accounts),
    }


def is_good(result: Mapping[str, Any]) -> bool:
    """Return whether the receiver was right about every task, and the CRM has got all of it."""
    return not result["truth"]["disagree"] and is_crm_right(result["crm"])


def is_crm_right(crm: Mapping[str, Any]) -> bool:
    """Return whether the CRM has got everything, accepted all of it, in order, and has the truth."""
    return not any(crm[name] for name in ("refused", "never_arrived", "out_of_order", "disagree"))


def judge_crm(
    crm: SampleCrm,
    published: Sequence[PublishedOutcome],
    truth: Mapping[str, Any],
    accounts: Mapping[str, str],
) -> dict[str, Any]:
    """Return what the CRM got as plain JSON. `accounts`: the scheduler's number → our name."""
    wrong = _compare_ends(crm.events.values(), truth, accounts)
    firsts = {event["type"]: event for event in reversed(crm.events.values())}
    return {
        "told": len(published),
        "arrived": len(crm.events),
        "repeated": len(crm.repeated),
        "bad_answers": dict(sorted(crm.bad_answers.items())),
        "refused": crm.refused,
        "never_arrived": sum(event.id not in crm.events for event in published),
        "out_of_order": _count_disordered(list(crm.events), published),
        "disagree": len({(disagreement.account, disagreement.task_id) for disagreement in wrong}),
        "disagreements": _listed(wrong),
        "samples": [
            {"requests": crm.requests[event["id"]], "event": mask_tree(event)}
            for event in (firsts[kind] for kind in _SAMPLES if kind in firsts)
        ],
    }


def _compare_ends(
    events: Iterable[Mapping[str, Any]], truth: Mapping[str, Any], accounts: Mapping[str, str]
) -> list[Disagreement]:
    """Return what is wrong or unknown without an excuse, by the last event of each task."""
    ends: dict[TaskKey, Mapping[str, Any]] = {}
    evidence = evidence_by_task(truth)
    for event in events:
        data = event["data"]
        ends[data["account"], data["task_id"] or data["ref"]] = data
    found: list[Disagreement] = []
    for task in truth["tasks"]:
        name = accounts[task["account"]], str(task["task_id"])
        shown, keys = evidence[task["account"], task["task_id"]], find_all(task, name, ends)
        differences = end_differences(task, _as_row(ends[keys[0]]), shown) if keys else [missing_task(shown)]
        found += [Disagreement(*name, *differing[:4]) for differing in differences if not differing.excused]
    return found


def _as_row(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event's data with the scheduler's `finish_result`, which knows only success and failure."""
    result = "success" if data["result"] == "connected" else "failed"
    return {**data, "finish_result": result if data["state"] == "finished" else None}


def _count_disordered(arrived: Sequence[str], published: Sequence[PublishedOutcome]) -> int:
    """Return the number of tasks whose events arrived in another order than they were published."""
    positions = {event: position for position, event in enumerate(arrived)}
    tasks: dict[TaskKey, list[int]] = defaultdict(list)
    for event in published:
        if event.id in positions:
            tasks[event.account, event.key].append(positions[event.id])
    return sum(own != sorted(own) for own in tasks.values())


async def _wait_for(demo: Demonstration, published: Sequence[PublishedOutcome]) -> None:
    """Wait until the CRM has these events, or has had enough time to get them."""
    for _ in range(int(_ARRIVAL_S / _LOOK_S)):
        if all(event.id in demo.crm.events for event in published):
            return
        await asyncio.sleep(_LOOK_S)


def _read(
    connection: Connection,
) -> tuple[dict[TaskKey, Mapping[str, Any]], int, int, list[PublishedOutcome]]:
    """Return the tasks, the numbers of hooks and of unreadable ones, and the events in order."""
    rows = connection.execute(select(TASK)).mappings()
    tasks: dict[TaskKey, Mapping[str, Any]] = {
        (row["account"], row["task_id"] or row["key"]): dict(row) for row in rows
    }
    received = connection.execute(select(func.count()).select_from(DELIVERY)).scalar_one()
    unread = connection.execute(select(func.count()).where(DELIVERY.c.problem.isnot(None))).scalar_one()
    outcomes = select(OUTCOME.c.id, OUTCOME.c.account, OUTCOME.c.key).order_by(OUTCOME.c.seq)
    return tasks, received, unread, [PublishedOutcome(*row) for row in connection.execute(outcomes)]


def _hooks(truth: Mapping[str, Any], tasks: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any]:
    hooks = truth["hooks"]
    lost: Counter[str] = Counter()
    for row in tasks.values():
        lost.update(row["lost"])
    return {
        "fired": len(hooks),
        "dropped": sum(hook["fate"] == "dropped" for hook in hooks),
        "failed": sum(hook["fate"] == "failed" for hook in hooks),
        **{name: sum(bool(hook[name]) for hook in hooks) for name in _FAULTS},
        "lost_counted": sum(lost.values()),
        "lost_by_event": dict(lost),
    }


def _listed(disagreements: Sequence[Disagreement]) -> list[dict[str, Any]]:
    return [asdict(disagreement) for disagreement in disagreements[:_SHOWN]]
