"""Task by task: what the receiver says against what the emulator knows.

A false claim is *wrong*. What it does not claim is *not known*, which is excused only where nobody was told
enough: that follows from the truth about the task and its hooks.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from receiver.domain.facts import EVENTS
from receiver.domain.fields import call_key
from receiver.domain.hooks import our_hook

TaskName = tuple[str, str]
"""(account name, the scheduler's task id)."""

Row = Mapping[str, Any]
Kind = Literal["wrong", "not known", "inferred"]
_ENDS = ("finished", "gone")


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One thing about one task that the receiver has wrong, does not know, or has only inferred."""

    account: str
    task_id: str
    field: str
    truth: Any
    ours: Any
    kind: Kind = "wrong"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`agree` counts tasks; a task with any disagreement is not in it, nor one in `unknown`: that is what
    nobody could know.
    """

    agree: int
    disagreements: tuple[Disagreement, ...]
    unknown: tuple[Disagreement, ...] = ()

    @property
    def disagree(self) -> int:
        """Tasks of which something is wrong, or not known although it could be."""
        return len(_tasks_of(self.disagreements))

    @property
    def not_known(self) -> int:
        """Tasks of which nothing is wrong, and of which nobody could know everything."""
        return len(_tasks_of(self.unknown) - _tasks_of(self.disagreements))


class Finding(NamedTuple):
    """A field of a task that differs. `excused`: nobody could know better."""

    field: str
    truth: Any
    ours: Any
    kind: Kind = "wrong"
    excused: bool = False


_SHORT = ("capped_lists", "page_ignored")
"""Quirks with which lists do not tell whose a task is: an answer to its creation that nobody kept is not told
again.
"""


@dataclass(frozen=True, slots=True)
class Help:
    """What anybody was told of a task.

    `fates`: how many hooks of an event met a fate, by (event, fate). `nameless`: neither an answer of the API
    nor a hook that arrived has its id. `repeats`: hooks of further attempts that say nothing but their URL
    and came again as late as the hook of another attempt. `unused`: attempts that were left when it failed.
    `refused`: hooks that the receiver answered 4xx, though all of them are genuine.
    """

    fates: Counter[tuple[str, str]]
    nameless: bool = False
    repeats: int = 0
    unused: int = 0
    refused: int = 0


def help_of(task: Row, hooks: Iterable[Row], quirks: Container[str] = ()) -> Help:
    """`hooks`: those of the task, as the emulator tells them. `quirks`: of its account."""
    hooks = list(hooks)
    told_id = any(hook["fate"] == "delivered" and hook.get("names_task", True) for hook in hooks)
    failed = task["finish_result"] == "failed"
    return Help(
        fates=Counter((hook["event"], hook["fate"]) for hook in hooks),
        nameless=not told_id and (not task.get("shown", True) or any(each in quirks for each in _SHORT)),
        repeats=sum(
            1
            for hook in hooks
            if hook["event"] == "before_again" and hook.get("silent") and hook.get("late_copy")
        ),
        unused=task["try_count"] - task["attempts"] if failed and "try_count" in task else 0,
        refused=sum(
            any(400 <= (copy["status"] or 0) < 500 for copy in hook.get("copies", ())) for hook in hooks
        ),
    )


def compare(truth: Row, ours: Mapping[TaskName, Row], accounts: Mapping[str, str]) -> Comparison:
    """`truth`: the emulator's. `ours`: rows of `task`. `accounts`: the scheduler's number → our name."""
    helps = helps_of(truth)
    disagreements: list[Disagreement] = []
    unknown: list[Disagreement] = []
    names, found = set(), set()
    for task in truth["tasks"]:
        name = accounts[task["account"]], str(task["task_id"])
        told = helps[task["account"], task["task_id"]]
        keys = find_all(task, name, ours)
        key = keys[0] if keys else None
        names.add(name)
        found.update(keys if told.nameless else keys[:1])
        mine = ours.get(key) if key else None
        for each in _findings(task, mine, told) if mine else [unheard(told)]:
            (unknown if each.excused else disagreements).append(Disagreement(*name, *each[:4]))
    strangers = [Disagreement(*name, "task", "does not exist", "known") for name in ours.keys() - found]
    agree = len(names - _tasks_of(disagreements) - _tasks_of(unknown))
    return Comparison(agree, (*disagreements, *strangers), tuple(unknown))


def helps_of(truth: Row) -> dict[tuple[str, int], Help]:
    """(the scheduler's number of the account, task id) → what anybody was told."""
    hooks: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for hook in truth.get("hooks", ()):
        hooks[hook["account"], hook["task_id"]].append(hook)
    keys = [(task["account"], task["task_id"]) for task in truth["tasks"]]
    quirks = truth.get("quirks", {})
    return {
        key: help_of(task, hooks[key], quirks.get(key[0], ()))
        for key, task in zip(keys, truth["tasks"], strict=True)
    }


def find(task: Row, name: TaskName, ours: Mapping[TaskName, Row]) -> TaskName | None:
    """Under which name ours has a task: by its id, or else by the ref in its URLs; None: not at all."""
    return next(iter(find_all(task, name, ours)), None)


def find_all(task: Row, name: TaskName, ours: Mapping[TaskName, Row]) -> list[TaskName]:
    """Under which names ours has a task: two where nobody was told that both are the same."""
    hook = next(filter(None, (our_hook(task.get(f"url_{event}")) for event in EVENTS)), None)
    by_ref = [key for key, row in ours.items() if hook and hook.ref and row.get("ref") == hook.ref]
    return list(
        dict.fromkeys([*([name] if name in ours else []), *(key for key in by_ref if key[0] == name[0])])
    )


def unheard(told: Help) -> Finding:
    """That a task is not known at all."""
    return Finding("task", "exists", "not known", "not known", told.nameless)


def _tasks_of(disagreements: Sequence[Disagreement]) -> set[TaskName]:
    return {(each.account, each.task_id) for each in disagreements}


def _findings(task: Row, mine: Row, told: Help) -> list[Finding]:
    lost = (_lost_finding(event, task, mine, told) for event in EVENTS)
    refused = [Finding("hooks refused", 0, told.refused)] if told.refused else []
    return end_findings(task, mine, told) + [each for each in lost if each] + refused


def end_findings(task: Row, mine: Row, told: Help) -> list[Finding]:
    """What `mine` has wrong about how the task ended, or does not know."""
    result, call = task["finish_result"] or None, call_key(task["cdr"])
    said_call = call_key(mine["cdr"])
    is_open = mine["state"] not in _ENDS and task["state"] in _ENDS
    calls = {call_key(each["call_uuid"]) for each in task.get("calls", ())}
    findings = [
        _finding("state", task["state"], mine["state"], is_open, told),
        _finding("finish_result", result, mine["finish_result"], mine["finish_result"] is None, told),
        _finding("cdr", call, said_call, said_call is None or said_call in calls, told),
        _attempts_finding(task, mine, told),
    ]
    return [each for each in findings if each]


def _finding(field: str, truth: Any, ours: Any, unknown: bool, told: Help) -> Finding | None:
    """`unknown`: where ours differs, it does not claim anything."""
    if truth == ours:
        return None
    return Finding(field, truth, ours, "not known" if unknown else "wrong", unknown and told.nameless)


def _attempts_finding(task: Row, mine: Row, told: Help) -> Finding | None:
    """A bound that hooks without a word have raised by coming again is excused; an exact number is not, but
    for the inference that who fails has used all attempts, which a setting allows.
    """
    made, said, exact = task["attempts"], mine["attempts"], mine["attempts_exact"]
    if said <= made and not (exact and said != made):
        return None
    if exact and _is_inferred(mine, task, told):
        return Finding("attempts", made, said, "inferred", excused=True)
    if exact:
        return Finding("attempts", made, said)
    return Finding("attempts", made, f"at least {said}", "wrong", said - made <= told.repeats)


def _is_inferred(mine: Row, task: Row, told: Help) -> bool:
    return told.unused > 0 and mine["attempts"] == task["try_count"]


def _lost_finding(event: str, task: Row, mine: Row, told: Help) -> Finding | None:
    """Every hook that the task's plan and end imply and that was dropped is lost, and none that arrived.

    A hook that failed on its way (no answer) may or may not have been recorded. Where the facts do not settle
    the number of attempts, they do not imply every `before_again`; and a task that was deleted implies none.
    """
    dropped, failed = told.fates[event, "dropped"], told.fates[event, "failed"]
    implied = task["state"] == "finished" and (event != "before_again" or mine["attempts_exact"])
    lost, least = mine["lost"].get(event, 0), dropped if implied else 0
    truth = dropped if not failed else f"{dropped} to {dropped + failed}"
    is_again = event == "before_again"
    if lost > dropped + failed:
        if is_again and _is_inferred(mine, task, told) and lost - dropped - failed <= told.unused:
            return Finding(f"lost {event}", truth, lost, "inferred", excused=True)
        return Finding(f"lost {event}", truth, lost)
    if lost < least:
        stood_in = told.repeats if is_again else 0
        return Finding(f"lost {event}", truth, lost, "not known", told.nameless or least - lost <= stood_in)
    return None
