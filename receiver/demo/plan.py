"""The tasks of the demonstration, drawn from a seed."""

from dataclasses import dataclass
from random import Random

from receiver.scheduler.wire import NewTask

ACCOUNTS = {"north": "10001", "south": "10002"}
"""Our name of an account → its number at the scheduler."""

QUEUES = ("sales", "support")

_EARLIEST_S, _SPREAD_S = 120, 600
"""Seconds from the creation of a task to its earliest start, and over which starts are spread. No task can
have ended before a lost answer to its creation was looked up.
"""

_DELETED_SHARE = 0.01
_DELETED_START_S = 1200
"""Seconds to the start of tasks that are deleted again: late enough that none has begun by then."""


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """One task to create, its account and queue, and whether to delete it before it starts."""

    account: str
    queue: str
    ref: str
    task: NewTask
    delete: bool


def plan_tasks(count: int, seed: int) -> list[PlannedTask]:
    """Return `count` tasks, the same for the same seed."""
    return [_plan(number, seed) for number in range(1, count + 1)]


def _plan(number: int, seed: int) -> PlannedTask:
    rng = Random(f"demo:{seed}:{number}")
    delete = rng.random() < _DELETED_SHARE
    task = NewTask(
        name=f"Callback {number:05}",
        a_number=f"1{rng.randrange(100):02}",
        b_number=f"+7916{rng.randrange(10**7):07}",
        extension_id=rng.randrange(1, 20),
        try_count=rng.choices((1, 2, 3, 4, 5, 6), (3, 4, 5, 3, 2, 1))[0],
        try_again_pause=rng.choice((30, 45, 60, 90)),
        start_time_utc=_DELETED_START_S if delete else _EARLIEST_S + rng.randrange(_SPREAD_S),
    )
    return PlannedTask(
        rng.choice(list(ACCOUNTS)), rng.choice(QUEUES), f"demo-{seed}-{number:05}", task, delete
    )
