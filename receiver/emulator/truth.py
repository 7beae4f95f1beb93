"""The truth: what really happened, for whoever wants to check what others believe."""

from collections import Counter
from typing import Any

from receiver.emulator.hooks import Hook, Hooks
from receiver.emulator.records import Task
from receiver.emulator.world import World


def truth(world: World, hooks: Hooks) -> dict[str, Any]:
    """Every task and every hook, with totals. Plain JSON."""
    return {
        "tasks": [_task(task) for task in world.tasks()],
        "hooks": [_hook(hook) for hook in hooks.fired],
        "totals": _totals(world, hooks),
        "requests": {operation: dict(statuses) for operation, statuses in world.requests.items()},
        "faults": dict(+world.injected),
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


def _task(task: Task) -> dict[str, Any]:
    urls = {f"url_{event}": url for event, url in task.plan.urls.items()}
    return urls | {
        "account": task.account,
        "queue_id": task.queue.id,
        "task_id": task.id,
        "name": task.plan.name,
        "state": state_of(task),
        "deleted": task.deleted,
        "finish_result": task.finish_result,
        "cdr": task.cdr,
        "attempts": task.attempts,
        "try_count": task.plan.try_count,
        "finished_at": task.finished_at,
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
        "duplicated": hook.fate.copy_after is not None,
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
