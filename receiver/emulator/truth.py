"""The truth: what really happened, to verify other systems against."""

from collections import Counter, defaultdict
from typing import Any

from receiver.emulator.hooks import Hook, Hooks
from receiver.emulator.records import Call, Task
from receiver.emulator.world import World


def truth(world: World, hooks: Hooks) -> dict[str, Any]:
    """Return all tasks with their ended calls, all hooks, and totals, as plain JSON."""
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
    """Return counts of tasks by state, pending copies of hooks, and whether everything is final."""
    return {
        "now": now,
        "tasks": dict(Counter(state_of(task) for task in world.tasks())),
        "pending_copies": hooks.pending,
        "idle": not hooks.pending and all(task.settled for task in world.tasks()),
    }


def deliveries(hooks: Hooks) -> list[str]:
    """Return the ids of all acknowledged copies of hooks."""
    return [
        f"{hook.id}.{number}"
        for hook in hooks.fired
        for number, reply in enumerate(hook.replies, start=1)
        if reply and reply.acknowledged
    ]


def state_of(task: Task) -> str:
    """Return the task's status, or `gone` if it was deleted before its end."""
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
    """Return an attempt; `b` is null if A did not answer."""
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
