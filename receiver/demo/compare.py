"""Compare, task by task, what the receiver says with what the emulator knows.

A false claim is *wrong*. A missing claim is *not known*, which is excused only if neither the hooks nor the
API gave the receiver enough: that follows from the truth about the task and its hooks.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from receiver.domain.facts import EVENTS
from receiver.domain.fields import call_key
from receiver.domain.hooks import our_hook

TaskKey = tuple[str, str]
"""(account name, the scheduler's task id)."""

Row = Mapping[str, Any]
Kind = Literal["wrong", "not known", "inferred"]
_ENDS = ("finished", "gone")

_MUTE_LISTS = ("capped_lists", "page_ignored")
"""Quirks with which lists do not show whose a task is: the answer to its creation is the only source."""


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
class TruthComparison:
    """`agree`: number of tasks without any disagreement. `unknown`: excused disagreements."""

    agree: int
    disagreements: tuple[Disagreement, ...]
    unknown: tuple[Disagreement, ...] = ()

    @property
    def disagree(self) -> int:
        """Number of tasks with something wrong, or not known without an excuse."""
        return len(_tasks_of(self.disagreements))

    @property
    def not_known(self) -> int:
        """Number of tasks with nothing wrong, and something not known with an excuse."""
        return len(_tasks_of(self.unknown) - _tasks_of(self.disagreements))


class FieldDifference(NamedTuple):
    """A field of a task that differs. `excused`: no receiver could know better."""

    field: str
    truth: Any
    ours: Any
    kind: Kind = "wrong"
    excused: bool = False


@dataclass(frozen=True, slots=True)
class TaskEvidence:
    """What hooks and API showed of a task.

    `fates`: number of hooks by (event, fate). `nameless`: neither an answer of the API nor a hook that
    arrived has its id. `repeats`: hooks of further attempts that carry only their URL, and came again as late
    as the hook of another attempt. `unused`: attempts that were left when it failed. `refused`: genuine hooks
    that the receiver answered with 4xx.
    """

    fates: Counter[tuple[str, str]]
    nameless: bool = False
    repeats: int = 0
    unused: int = 0
    refused: int = 0


def evidence_of(task: Row, hooks: Sequence[Row], quirks: Container[str] = ()) -> TaskEvidence:
    """Return the evidence of a task. `hooks`: the emulator's of this task; `quirks`: of its account."""
    is_named = any(hook["fate"] == "delivered" and hook.get("names_task", True) for hook in hooks)
    is_hidden = not task.get("shown", True) or any(quirk in quirks for quirk in _MUTE_LISTS)
    repeats = [
        hook
        for hook in hooks
        if hook["event"] == "before_again" and hook.get("silent") and hook.get("late_copy")
    ]
    refused = [
        hook for hook in hooks if any(400 <= (copy["status"] or 0) < 500 for copy in hook.get("copies", ()))
    ]
    has_failed = task["finish_result"] == "failed"
    return TaskEvidence(
        fates=Counter((hook["event"], hook["fate"]) for hook in hooks),
        nameless=not is_named and is_hidden,
        repeats=len(repeats),
        unused=task["try_count"] - task["attempts"] if has_failed and "try_count" in task else 0,
        refused=len(refused),
    )


def compare(truth: Row, ours: Mapping[TaskKey, Row], accounts: Mapping[str, str]) -> TruthComparison:
    """Compare all tasks with rows of `task`. `accounts`: the scheduler's number → our name."""
    evidence = evidence_by_task(truth)
    disagreements: list[Disagreement] = []
    unknown: list[Disagreement] = []
    names, found = set(), set()
    for task in truth["tasks"]:
        name = accounts[task["account"]], str(task["task_id"])
        shown = evidence[task["account"], task["task_id"]]
        keys = find_all(task, name, ours)
        names.add(name)
        found.update(keys if shown.nameless else keys[:1])
        differences = _differences(task, ours[keys[0]], shown) if keys else [missing_task(shown)]
        for difference in differences:
            (unknown if difference.excused else disagreements).append(Disagreement(*name, *difference[:4]))
    strangers = [Disagreement(*name, "task", "does not exist", "known") for name in ours.keys() - found]
    agree = len(names - _tasks_of(disagreements) - _tasks_of(unknown))
    return TruthComparison(agree, (*disagreements, *strangers), tuple(unknown))


def evidence_by_task(truth: Row) -> dict[tuple[str, int], TaskEvidence]:
    """Return the evidence by (the scheduler's number of the account, task id)."""
    hooks: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for hook in truth.get("hooks", ()):
        hooks[hook["account"], hook["task_id"]].append(hook)
    keys = [(task["account"], task["task_id"]) for task in truth["tasks"]]
    quirks = truth.get("quirks", {})
    return {
        key: evidence_of(task, hooks[key], quirks.get(key[0], ()))
        for key, task in zip(keys, truth["tasks"], strict=True)
    }


def find_all(task: Row, name: TaskKey, ours: Mapping[TaskKey, Row]) -> list[TaskKey]:
    """Return the keys of a task: by its id, then by the ref in its URLs.

    There are two if nothing showed that both are the same task.
    """
    hook = next(filter(None, (our_hook(task.get(f"url_{event}")) for event in EVENTS)), None)
    ref = hook.ref if hook else None
    by_ref = [key for key, row in ours.items() if ref and row.get("ref") == ref and key[0] == name[0]]
    return list(dict.fromkeys([*([name] if name in ours else []), *by_ref]))


def missing_task(evidence: TaskEvidence) -> FieldDifference:
    """Return the difference of a task that is not known at all."""
    return FieldDifference("task", "exists", "not known", "not known", evidence.nameless)


def _tasks_of(disagreements: Iterable[Disagreement]) -> set[TaskKey]:
    return {(disagreement.account, disagreement.task_id) for disagreement in disagreements}


def _differences(task: Row, row: Row, evidence: TaskEvidence) -> list[FieldDifference]:
    lost = (_lost_difference(event, task, row, evidence) for event in EVENTS)
    refused = [FieldDifference("hooks refused", 0, evidence.refused)] if evidence.refused else []
    return end_differences(task, row, evidence) + list(filter(None, lost)) + refused


def end_differences(task: Row, row: Row, evidence: TaskEvidence) -> list[FieldDifference]:
    """Return what `row` has wrong about the end of the task, or does not know."""
    result, call, our_call = task["finish_result"] or None, call_key(task["cdr"]), call_key(row["cdr"])
    is_open = row["state"] not in _ENDS and task["state"] in _ENDS
    calls = {call_key(made["call_uuid"]) for made in task.get("calls", ())}
    compared = (
        ("state", task["state"], row["state"], is_open),
        ("finish_result", result, row["finish_result"], row["finish_result"] is None),
        ("cdr", call, our_call, our_call is None or our_call in calls),
    )
    differences = [
        FieldDifference(
            field, truth, ours, "not known" if is_unknown else "wrong", is_unknown and evidence.nameless
        )
        for field, truth, ours, is_unknown in compared
        if truth != ours
    ]
    attempts = _attempts_difference(task, row, evidence)
    return differences + ([attempts] if attempts else [])


def _attempts_difference(task: Row, row: Row, evidence: TaskEvidence) -> FieldDifference | None:
    """Compare the attempts.

    A bound is excused if repeated hooks without fields have raised it. An exact number is excused only if it
    was inferred, as a setting allows: a failed task has used all its attempts.
    """
    made, ours, is_exact = task["attempts"], row["attempts"], row["attempts_exact"]
    if ours == made or (ours < made and not is_exact):
        return None
    if not is_exact:
        return FieldDifference("attempts", made, f"at least {ours}", "wrong", ours - made <= evidence.repeats)
    if _is_inferred(row, task, evidence):
        return FieldDifference("attempts", made, ours, "inferred", excused=True)
    return FieldDifference("attempts", made, ours)


def _is_inferred(row: Row, task: Row, evidence: TaskEvidence) -> bool:
    return evidence.unused > 0 and row["attempts"] == task["try_count"]


def _lost_difference(event: str, task: Row, row: Row, evidence: TaskEvidence) -> FieldDifference | None:
    """Compare the lost hooks: every dropped hook that the task implies is lost, and none that arrived.

    A hook that failed on its way (no answer) may or may not have been recorded. Facts that do not settle the
    number of attempts do not imply every `before_again`, and a deleted task implies none.
    """
    dropped, failed = evidence.fates[event, "dropped"], evidence.fates[event, "failed"]
    is_again, field = event == "before_again", f"lost {event}"
    is_implied = task["state"] == "finished" and (not is_again or row["attempts_exact"])
    lost, least, most = row["lost"].get(event, 0), dropped if is_implied else 0, dropped + failed
    truth = f"{dropped} to {most}" if failed else dropped
    if lost > most:
        if is_again and _is_inferred(row, task, evidence) and lost - most <= evidence.unused:
            return FieldDifference(field, truth, lost, "inferred", excused=True)
        return FieldDifference(field, truth, lost)
    if lost < least:
        repeats = evidence.repeats if is_again else 0
        return FieldDifference(field, truth, lost, "not known", evidence.nameless or least - lost <= repeats)
    return None
