"""Task by task: what the receiver says against what the emulator knows."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.domain.facts import EVENTS
from receiver.domain.fields import call_key

TaskName = tuple[str, str]
"""(account name, the scheduler's task id)."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One thing about one task that the receiver has wrong."""

    account: str
    task_id: str
    field: str
    truth: Any
    ours: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """`agree` counts tasks; a task with any disagreement is not in it."""

    agree: int
    disagreements: tuple[Disagreement, ...]

    @property
    def disagree(self) -> int:
        """Tasks of which something is wrong."""
        return len({(each.account, each.task_id) for each in self.disagreements})


def compare(
    truth: Mapping[str, Any], ours: Mapping[TaskName, Mapping[str, Any]], accounts: Mapping[str, str]
) -> Comparison:
    """`truth`: the emulator's. `ours`: rows of `task`. `accounts`: the scheduler's number → our name."""
    fates = _fates(truth["hooks"], accounts)
    found: list[Disagreement] = []
    names = set()
    for task in truth["tasks"]:
        name = accounts[task["account"]], str(task["task_id"])
        names.add(name)
        mine = ours.get(name)
        wrong = _wrong(task, mine, fates[name]) if mine else [("task", "exists", "not known")]
        found += [Disagreement(*name, *each) for each in wrong]
    found += [Disagreement(*name, "task", "does not exist", "known") for name in ours.keys() - names]
    agree = len(names) - len({(each.account, each.task_id) for each in found} & names)
    return Comparison(agree, tuple(found))


def _fates(
    hooks: Sequence[Mapping[str, Any]], accounts: Mapping[str, str]
) -> dict[TaskName, Counter[tuple[str, str]]]:
    """Task → how many of its hooks of an event met a fate, by (event, fate)."""
    fates: dict[TaskName, Counter[tuple[str, str]]] = defaultdict(Counter)
    for hook in hooks:
        fates[accounts[hook["account"]], str(hook["task_id"])][hook["event"], hook["fate"]] += 1
    return fates


def _wrong(
    task: Mapping[str, Any], mine: Mapping[str, Any], fates: Counter[tuple[str, str]]
) -> list[tuple[str, Any, Any]]:
    lost = (_wrong_count(event, task, mine, fates) for event in EVENTS)
    return wrong_end(task, mine) + [each for each in lost if each]


def wrong_end(task: Mapping[str, Any], mine: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """What `mine` has wrong about how the task ended, as (field, truth, ours)."""
    pairs = [
        ("state", task["state"], mine["state"]),
        ("finish_result", task["finish_result"] or None, mine["finish_result"]),
        ("cdr", call_key(task["cdr"]), call_key(mine["cdr"])),
    ]
    wrong: list[tuple[str, Any, Any]] = [pair for pair in pairs if pair[1] != pair[2]]
    made, said = task["attempts"], mine["attempts"]
    if said > made or (mine["attempts_exact"] and said != made):
        wrong.append(("attempts", made, said if mine["attempts_exact"] else f"at least {said}"))
    return wrong


def _wrong_count(
    event: str, task: Mapping[str, Any], mine: Mapping[str, Any], fates: Counter[tuple[str, str]]
) -> tuple[str, Any, Any] | None:
    """Every hook that the task's plan and end imply and that was dropped is lost, and none that arrived.

    A hook that failed on its way (no answer) may or may not have been recorded. Where the facts do not settle
    the number of attempts, they do not imply every `before_again`; and a task that was deleted implies none.
    """
    dropped, failed = fates[event, "dropped"], fates[event, "failed"]
    implied = task["state"] == "finished" and (event != "before_again" or mine["attempts_exact"])
    lost = mine["lost"].get(event, 0)
    if (dropped if implied else 0) <= lost <= dropped + failed:
        return None
    return (f"lost {event}", dropped if not failed else f"{dropped} to {dropped + failed}", lost)
