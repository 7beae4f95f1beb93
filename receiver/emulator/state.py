"""The state of an emulator as a file, so that queues, tasks and clock survive a restart."""

import os
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from receiver.emulator.config import DialectName, EmulatorConfig
from receiver.emulator.faults import HookFate
from receiver.emulator.hooks import Hook, Hooks
from receiver.emulator.outcomes import Outcome
from receiver.emulator.quota import Quota
from receiver.emulator.records import EXECUTED, Call, Event, Plan, Queue, Task
from receiver.emulator.sender import Reply
from receiver.emulator.tokens import IssuedTokens
from receiver.emulator.world import Account, World

STOPPED = Reply(None, "Stopped")
"""Reply to the copies of hooks that were pending when the emulator stopped: they are not sent."""


class StateError(ValueError):
    """The state cannot be used."""


@dataclass
class SavedQueue:
    """`Queue` without its tasks."""

    id: int
    account: str
    name: str
    comment: str
    status: Literal["on", "off"]
    limit: int
    created_at: float
    last_call_at: float | None = None


@dataclass
class SavedTask:
    """`Task` with the ids of its queue and call."""

    id: int
    ordinal: int
    queue: int
    plan: Plan
    created_at: float
    status: str
    attempts: int
    finish_result: str
    finish_comment: str
    finished_at: float | None
    due_at: float
    is_bridged: bool
    call: str | None
    deleted: bool
    shown: bool


@dataclass
class SavedCall:
    """`Call` without its plan."""

    uuid: str
    record_uuids: tuple[str, str]
    task_id: int
    outcome: Outcome
    started_at: float


@dataclass
class SavedHook:
    """`Hook` with the id of its task."""

    id: str
    task: int
    event: Event
    attempt: int
    at: float
    fate: HookFate
    replies: list[Reply | None]
    dialect: DialectName


@dataclass
class SavedAccount:
    """`queues`: ids of those that exist. `known_queues`: these and the deleted ones that tasks name.
    `calls`: uuids of ended calls. `known_calls`: these and the calls under way.
    """

    number: str
    queues_made: int
    queues: list[int]
    known_queues: list[SavedQueue]
    tasks: list[SavedTask]
    calls: list[str]
    known_calls: list[SavedCall]
    missing: dict[str, float]
    quota: Quota


@dataclass
class SavedState:
    """`speed`, `origin`: of the clock."""

    speed: float
    origin: float
    accounts: list[SavedAccount]
    hooks: list[SavedHook]
    tokens: IssuedTokens
    requests: dict[str, dict[str, int]] = field(default_factory=dict)
    injected: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    version: Literal[1] = 1


_SHAPE = TypeAdapter(SavedState)


def dump_state(world: World, hooks: Hooks, speed: float, origin: float) -> bytes:
    """Return the state as JSON."""
    state = SavedState(
        speed=speed,
        origin=origin,
        accounts=[_save_account(account) for account in world.accounts.values()],
        hooks=[SavedHook(**_taken(hook, SavedHook, task=hook.task.id)) for hook in hooks.fired],
        tokens=world.tokens.issued,
        requests={operation: dict(statuses) for operation, statuses in world.requests.items()},
        injected=dict(world.injected),
        seen=dict(world.seen),
    )
    return _SHAPE.dump_json(state)


def read_state(path: Path, config: EmulatorConfig) -> SavedState | None:
    """Return the state in the file, None without a file. Raises StateError if it does not fit the
    configuration.
    """
    try:
        state = _SHAPE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise StateError(f"{path} is not the state of an emulator: name another file") from None
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}") from None
    if state.speed != config.speed:
        raise StateError(f"{path} was made at speed {state.speed:g}: use `--speed {state.speed:g}`")
    if config.origin is not None and config.origin != state.origin and state.speed != 1:
        raise StateError(f"{path} has the origin {state.origin!r}: leave `--origin` out")
    saved = [account.number for account in state.accounts]
    if saved != [account.number for account in config.accounts][: len(saved)]:
        raise StateError(f"{path} has the accounts {', '.join(saved)}: give them first, in this order")
    return state


def write_state(path: Path, content: bytes) -> None:
    """Replace the file in one step. Only its owner may read it, since it holds phone numbers."""
    part = path.with_name(f"{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    part.replace(path)


def restore(state: SavedState, world: World, hooks: Hooks) -> list[Task]:
    """Fill a new world with the state. Return the tasks that have not ended: first those that are calling,
    then by the time of their next attempt.
    """
    world.tokens.issued = state.tokens
    world.injected.update(state.injected)
    world.seen.update(state.seen)
    for operation, statuses in state.requests.items():
        world.requests[operation] = Counter(statuses)
    tasks: dict[int, Task] = {}
    for saved in state.accounts:
        tasks |= _restore_account(saved, world.accounts[saved.number])
    hooks.fired += [_restore_hook(hook, tasks[hook.task]) for hook in state.hooks]
    unsettled = (task for task in tasks.values() if not task.settled)
    return sorted(unsettled, key=lambda task: (task.status != EXECUTED, task.due_at, task.id))


def _save_account(account: Account) -> SavedAccount:
    queues = {task.queue.id: task.queue for task in account.tasks} | account.queues
    calls = {call.uuid: call for call in account.calls.values()}
    calls |= {task.call.uuid: task.call for task in account.tasks if task.call}
    return SavedAccount(
        number=account.number,
        queues_made=account.queues_made,
        queues=list(account.queues),
        known_queues=[SavedQueue(**_taken(queue, SavedQueue)) for queue in queues.values()],
        tasks=[
            SavedTask(**_taken(task, SavedTask, queue=task.queue.id, call=task.cdr or None))
            for task in account.tasks
        ],
        calls=[call.uuid for call in account.calls.values()],
        known_calls=[SavedCall(**_taken(call, SavedCall)) for call in calls.values()],
        missing=account.missing,
        quota=account.quota,
    )


def _restore_account(saved: SavedAccount, account: Account) -> dict[int, Task]:
    """Fill a new account. Return its tasks by id."""
    queues = {queue.id: Queue(**asdict(queue)) for queue in saved.known_queues}
    plans = {task.id: task.plan for task in saved.tasks}
    calls = {
        call.uuid: Call(**_taken(call, SavedCall), plan=plans[call.task_id]) for call in saved.known_calls
    }
    links = [(queues[task.queue], calls[task.call] if task.call else None) for task in saved.tasks]
    account.tasks = [
        Task(**_taken(task, SavedTask, queue=queue, call=call))
        for task, (queue, call) in zip(saved.tasks, links, strict=True)
    ]
    for task in account.tasks:
        if not task.deleted:
            task.queue.tasks[task.id] = task
    account.queues = {number: queues[number] for number in saved.queues}
    account.queues_made = saved.queues_made
    account.missing = saved.missing
    saved.quota.limit = account.quota.limit
    account.quota = saved.quota
    for uuid in saved.calls:
        account.add_call(calls[uuid])
    return {task.id: task for task in account.tasks}


def _restore_hook(saved: SavedHook, task: Task) -> Hook:
    replies: list[Reply | None] = [reply or STOPPED for reply in saved.replies]
    hook = Hook(**_taken(saved, SavedHook, task=task, replies=replies))
    hook.settled.set()
    return hook


def _taken(record: object, shape: type[Any], **replaced: Any) -> dict[str, Any]:
    """Return the fields of a shape as the record has them, some of them replaced."""
    names = (part.name for part in fields(shape) if part.name not in replaced)
    return {name: getattr(record, name) for name in names} | replaced
