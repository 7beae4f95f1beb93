"""Execution of tasks: each is a coroutine that waits, calls, pauses and calls again."""

import asyncio

from receiver.emulator.clock import Clock, sleep_until
from receiver.emulator.concurrency import ConcurrencyLimit
from receiver.emulator.config import EmulatorConfig
from receiver.emulator.hooks import Hooks
from receiver.emulator.outcomes import A_REACH, B_REACH, draw_outcome, finish_comment, reach
from receiver.emulator.records import DELAYED, EXECUTED, FAILED, FINISHED, SUCCESS, Call, Queue, Task
from receiver.emulator.rng import random_uuid, rng_for
from receiver.emulator.world import World


class Engine:
    """Executes tasks. Times in records follow the plan, not late timers."""

    def __init__(self, config: EmulatorConfig, clock: Clock, world: World, hooks: Hooks) -> None:
        self._config = config
        self._clock = clock
        self._world = world
        self._hooks = hooks
        self._limits: dict[int, ConcurrencyLimit] = {}
        self._group: asyncio.TaskGroup | None = None
        self._early: list[Task] = []
        self._running: dict[int, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Execute tasks until `stop` is set, then abandon current calls."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            early, self._early = self._early, []
            for task in early:
                self.admit(task)
            await stop.wait()
            self._group = None
            for running in list(self._running.values()):
                running.cancel()

    def admit(self, task: Task) -> None:
        """Execute a new task."""
        if self._group is None:
            self._early.append(task)
            return
        running = self._group.create_task(self._execute(task))
        self._running[task.id] = running
        running.add_done_callback(lambda _: self._running.pop(task.id))

    def withdraw(self, task: Task) -> None:
        """Delete a task: it gets no more attempts or hooks. Fired hooks are still delivered."""
        task.deleted = True
        task.queue.tasks.pop(task.id, None)
        self._hooks.release(task)
        if running := self._running.get(task.id):
            running.cancel()

    def reconsider(self, queue: Queue) -> None:
        """Apply a change of the queue's status or limit."""
        if limit := self._limits.get(queue.id):
            limit.admit()

    def _limit_of(self, queue: Queue) -> ConcurrencyLimit:
        if queue.id not in self._limits:
            self._limits[queue.id] = ConcurrencyLimit(queue, self._config.later_revision)
        return self._limits[queue.id]

    async def _execute(self, task: Task) -> None:
        if task.deleted:
            return
        limit = self._limit_of(task.queue)
        while True:
            await sleep_until(self._clock, task.due_at)
            await limit.enter(task, task.due_at)
            try:
                call = await self._call(task)
            finally:
                limit.leave()
            if call.outcome.bridged or task.attempts == task.plan.try_count or self._gives_up(task):
                break
            task.status = DELAYED
            task.due_at = call.ended_at + task.plan.try_again_pause + self._queue_wait(task)
        self._finish(task, call)

    def _gives_up(self, task: Task) -> bool:
        """Return whether the task fails early, as for an invalid number or a closing queue."""
        rng = rng_for(self._config.seed, "give up", task.account, task.ordinal, task.attempts)
        gives_up = rng.random() < self._config.faults.give_up
        self._world.injected["task_give_up"] += gives_up
        return gives_up

    def _queue_wait(self, task: Task) -> float:
        """Return the seconds after its pause for which calls of others fill the queue."""
        rng = rng_for(self._config.seed, "queue wait", task.account, task.ordinal, task.attempts)
        if rng.random() >= self._config.faults.queue_wait:
            return 0.0
        self._world.injected["task_queue_wait"] += 1
        return rng.uniform(1, 4) * max(task.plan.try_again_pause, 15)

    async def _call(self, task: Task) -> Call:
        """Make an attempt, or go on with the one that a restart has interrupted."""
        call = task.call if task.status == EXECUTED else None
        call = call or self._begin(task)
        if call.outcome.bridged and not task.is_bridged:
            await sleep_until(self._clock, call.bridged_at)
            task.is_bridged = True
            self._hooks.fire(task, "success", call.bridged_at)
        await sleep_until(self._clock, call.ended_at)
        self._world.accounts[task.account].add_call(call)
        return call

    def _begin(self, task: Task) -> Call:
        """Begin an attempt. Its first hook shows the record with the previous call."""
        started_at = self._clock.now()
        task.attempts += 1
        task.status = EXECUTED
        task.queue.last_call_at = started_at
        self._hooks.fire(task, "before" if task.attempts == 1 else "before_again", started_at)
        call = task.call = self._dial(task, started_at)
        return call

    def _dial(self, task: Task, at: float) -> Call:
        rng = rng_for(self._config.seed, "call", task.account, task.ordinal, task.attempts)
        ids = [random_uuid(rng) for _ in range(3)]
        reach_a, reach_b = (
            self._reach(table, number, at)
            for table, number in ((A_REACH, task.plan.a_number), (B_REACH, task.plan.b_number))
        )
        outcome = draw_outcome(rng, reach_a, reach_b)
        return Call(ids[0], (ids[1], ids[2]), task.id, task.plan, outcome, at)

    def _reach(self, table: tuple[float, ...], number: str, at: float) -> float:
        if self._config.answer_rate is not None:
            return self._config.answer_rate
        return reach(table, self._config.seed, number, at)

    def _finish(self, task: Task, call: Call) -> None:
        task.status = FINISHED
        task.finish_result = SUCCESS if call.outcome.bridged else FAILED
        task.finished_at = call.ended_at
        if not call.outcome.bridged:
            rng = rng_for(self._config.seed, "comment", task.account, task.ordinal)
            task.finish_comment = finish_comment(call.outcome, rng)
        self._hooks.fire(task, "after", call.ended_at)
        self._hooks.release(task)
