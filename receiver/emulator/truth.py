"""The truth: what really happened, for whoever wants to check what others believe."""

from collections import Counter, defaultdict
from typing import Any

from receiver.emulator.hooks import Hook, Hooks
from receiver.emulator.records import Call, Task
from receiver.emulator.world import World


def truth(world: World, hooks: Hooks) -> dict[str, Any]:
    """Every task with its ended calls, and every hook, with totals. Plain JSON."""
    calls: dict[tuple[str, int], list[Call]] = defaultdict(list)
    for name, account in world.accounts.items():
        for call in account.calls.values():
            calls[name, call.task_id].append(call)
    return {
        "tasks": [_task(task, calls[task.account, task.id]) for task in world.tasks()],
        "hooks": [_hook(hook) for hook in hooks.fired],
        "totals": _totals(world, hooks),
        "requests": {operation: dict(statuses) for operation, statuses in world.requests.items()},
        "faults": dict(+world.injected),
        "quirks": {number: sorted(account.quirks) for number, account in world.accounts.items()},
    }


def status(world: World, hooks: Hooks, now: float) -> dict[str, Any]:
    """Counts of tasks by state, copies under way, and whether nothing is left to happen."""
    return {
        "now": now,
        "tasks": dict(Counter(state_of(task) for task in world.tasks())),
        "pending_copies": hooks.pending,
        "idle": not hooks.pending and all(task.settled for task in world.tasks()),
    }


def deliveries(hooks: Hooks) -> list[str]:
    """The ids of all copies that were acknowledged."""
    return [
        f"{hook.id}.{number}"
        for hook in hooks.fired
        for number, reply in enumerate(hook.replies, start=1)
        if reply and reply.acknowledged
    ]


def state_of(task: Task) -> str:
    """Its status, or `gone` if it was deleted before it had finished."""
    return "gone" if task.deleted and task.finished_at is None else task.status


def _task(task: Task, calls: list[Call]) -> dict[str, Any]:
    urls = {f"url_{event}": url for event, url in task.plan.urls.items()}
    return urls | {
        "account": task.account,
        "queue_id": task.queue.id,
        "task_id": task.id,
        "name": task.plan.name,
        "state": state_of(task),
        "deleted": task.deleted,
        "shown": task.shown,
        "finish_result": task.finish_result,
        "cdr": task.cdr,
        "attempts": task.attempts,
        "try_count": task.plan.try_count,
        "finished_at": task.finished_at,
        "calls": [_call(call) for call in calls],
    }


def _call(call: Call) -> dict[str, Any]:
    """One attempt. `b` is null where A did not answer."""
    outcome = call.outcome
    return {
        "call_uuid": call.uuid,
        "started_at": call.started_at,
        "bridged_at": call.bridged_at if outcome.bridged else None,
        "ended_at": call.ended_at,
        "a": outcome.a.result,
        "b": outcome.b.result if outcome.b else None,
        "talk": outcome.talk,
    }


def _hook(hook: Hook) -> dict[str, Any]:
    return {
        "id": hook.id,
        "account": hook.task.account,
        "task_id": hook.task.id,
        "event": hook.event,
        "attempt": hook.attempt,
        "at": hook.at,
        "fate": hook.word,
        "copies": [
            {"status": reply.status if reply else None, "error": reply.error if reply else None}
            for reply in hook.replies
        ],
        "dialect": hook.dialect,
        "names_task": hook.names_task,
        "silent": hook.is_silent,
        "duplicated": hook.fate.copy_after is not None,
        "late_copy": hook.fate.late_copy,
        "delayed": hook.fate.delay > 0,
        "reordered": hook.fate.reordered,
        "broken": hook.fate.broken,
        "skewed": hook.fate.skew != 0,
    }


def _totals(world: World, hooks: Hooks) -> dict[str, int]:
    replies = [reply for hook in hooks.fired for reply in hook.replies]
    return {
        "tasks": sum(1 for _ in world.tasks()),
        "fired": len(hooks.fired),
        "dropped": sum(hook.fate.dropped for hook in hooks.fired),
        "duplicated": sum(hook.fate.copy_after is not None for hook in hooks.fired),
        "delivered": sum(bool(reply and reply.acknowledged) for reply in replies),
        "failed": sum(bool(reply and not reply.acknowledged) for reply in replies),
        "pending": sum(reply is None for reply in replies),
    }
