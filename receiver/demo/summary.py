"""What came of a demonstration, for machines and for people."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from receiver.demo import arrivals
from receiver.demo.compare import Comparison, Disagreement, compare
from receiver.demo.plan import ACCOUNTS
from receiver.demo.run import Demonstration
from receiver.ledger.tables import DELIVERY
from receiver.tasks.tables import TASK

_SHOWN = 50
"""Disagreements that are listed one by one."""


_ARRIVAL_S, _LOOK_S = 30.0, 0.1
"""Seconds that the last events may take, and between looks: a call's record may come when all is settled."""


async def summarize(demo: Demonstration, seconds: float) -> dict[str, Any]:
    """The result as plain JSON. `truth.disagree` and `crm` are what everything else is about."""
    truth = await demo.truth()
    tasks, received, unread = await demo.receiver.store.read(_ours)
    told = await demo.receiver.store.read(arrivals.read_told)
    await _all_arrived(demo, told)
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
        "truth": _verdict(comparison),
        "crm": arrivals.judge(demo.crm, told, truth, accounts),
    }


async def _all_arrived(demo: Demonstration, told: Sequence[arrivals.Told]) -> None:
    """Wait until the CRM has these events, or has had time enough to get them."""
    for _ in range(int(_ARRIVAL_S / _LOOK_S)):
        if all(each.id in demo.crm.events for each in told):
            return
        await asyncio.sleep(_LOOK_S)


def is_good(result: Mapping[str, Any]) -> bool:
    """Whether the receiver was right about every task, and the CRM has got all of it."""
    return not result["truth"]["disagree"] and arrivals.is_good(result["crm"])


def _ours(connection: Connection) -> tuple[dict[tuple[str, str], Mapping[str, Any]], int, int]:
    rows = connection.execute(select(TASK)).mappings()
    tasks: dict[tuple[str, str], Mapping[str, Any]] = {
        (row["account"], row["task_id"] or row["key"]): dict(row) for row in rows
    }
    received = connection.execute(select(func.count()).select_from(DELIVERY)).scalar_one()
    unread = connection.execute(select(func.count()).where(DELIVERY.c.problem.isnot(None))).scalar_one()
    return tasks, received, unread


def _hooks(truth: Mapping[str, Any], tasks: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any]:
    hooks = truth["hooks"]
    lost: Counter[str] = Counter()
    for row in tasks.values():
        lost.update(row["lost"])
    return {
        "fired": len(hooks),
        "dropped": sum(1 for hook in hooks if hook["fate"] == "dropped"),
        "failed": sum(1 for hook in hooks if hook["fate"] == "failed"),
        "duplicated": sum(1 for hook in hooks if hook["duplicated"]),
        "delayed": sum(1 for hook in hooks if hook["delayed"]),
        "broken": sum(1 for hook in hooks if hook["broken"]),
        "lost_counted": sum(lost.values()),
        "lost_by_event": dict(lost),
    }


def _verdict(comparison: Comparison) -> dict[str, Any]:
    return {
        "agree": comparison.agree,
        "disagree": comparison.disagree,
        "not_known": comparison.not_known,
        "disagreements": _listed(comparison.disagreements),
        "unknown": _listed(comparison.unknown),
    }


def _listed(disagreements: Sequence[Disagreement]) -> list[dict[str, Any]]:
    return [{name: getattr(each, name) for name in each.__slots__} for each in disagreements[:_SHOWN]]
