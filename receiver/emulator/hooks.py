"""Hooks: the faults injected into each, and the sending of its copies. Hooks never delay a call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import httpx2

from receiver.emulator.clock import Clock
from receiver.emulator.config import DialectName, EmulatorConfig
from receiver.emulator.dialects import DIALECTS, Dialect, Notice, dialect_of
from receiver.emulator.faults import HookFate, HookTraits, decide_hook
from receiver.emulator.records import Event, Task
from receiver.emulator.rng import rng_for
from receiver.emulator.sender import Batches, Reply, Sender
from receiver.emulator.world import World
from receiver.emulator.writing import break_body

SendCopy = Callable[[str], Awaitable[Reply]]
"""Sends a copy, given its id."""


@dataclass
class Hook:
    """A fired event. `replies`: one per copy; None: pending."""

    id: str
    task: Task
    event: Event
    attempt: int
    at: float
    fate: HookFate
    replies: list[Reply | None]
    dialect: DialectName
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the first copy was answered, has failed, or was dropped."""

    @property
    def word(self) -> str:
        """Return dropped, pending, delivered (a copy was acknowledged) or failed."""
        if self.fate.dropped:
            return "dropped"
        if None in self.replies:
            return "pending"
        return "delivered" if any(reply and reply.acknowledged for reply in self.replies) else "failed"

    @property
    def names_task(self) -> bool:
        """Return whether it carries its task's id in readable form."""
        return DIALECTS[self.dialect].names_task and self.fate.broken is None

    @property
    def is_silent(self) -> bool:
        """Return whether it carries nothing but its URL."""
        return DIALECTS[self.dialect].is_empty or self.fate.broken is not None


class Hooks:
    """All fired hooks, and the sending of their copies."""

    def __init__(
        self, config: EmulatorConfig, clock: Clock, world: World, transport: httpx2.AsyncBaseTransport | None
    ) -> None:
        self.fired: list[Hook] = []
        self.pending = 0
        """Number of pending copies."""
        self._config = config
        self._clock = clock
        self._world = world
        self._sender = Sender(config, clock, transport)
        self._batches = Batches(clock, self._sender)
        self._copies: asyncio.TaskGroup | None = None
        self._not_yet_sent: set[asyncio.Task[None]] = set()
        self._held: dict[int, asyncio.Future[Hook | None]] = {}

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Enable sending, once. At the end, copies in flight are finished and waiting ones stay pending."""
        try:
            async with asyncio.TaskGroup() as self._copies:
                yield
                for copy in self._not_yet_sent:
                    copy.cancel()
        finally:
            await self._sender.aclose()

    def fire(self, task: Task, event: Event, at: float) -> None:
        """Fire an event of the task's current attempt, if it has a URL for it."""
        if not task.plan.urls[event]:
            return
        config = self._config
        name = dialect_of(config.dialect, config.faults, config.seed, task)
        dialect = DIALECTS[name]
        fate = self._decide(task, event, dialect)
        copies = 0 if fate.dropped else 1 if fate.copy_after is None else 2
        hook = Hook(
            f"{task.id}-{event}-{task.attempts}", task, event, task.attempts, at, fate, [None] * copies, name
        )
        self.fired.append(hook)
        self.release(task, hook)
        if fate.dropped:
            hook.settled.set()
            return
        self._start(
            hook,
            self._send_function(dialect, Notice(event, task, at, config.later_revision, fate.skew), fate),
        )

    def release(self, task: Task, overtaken_by: Hook | None = None) -> None:
        """Release the hook of a task that waits to be overtaken; without an overtaker at once."""
        held = self._held.pop(task.id, None)
        if held and not held.done():
            held.set_result(overtaken_by)

    def _send_function(self, dialect: Dialect, notice: Notice, fate: HookFate) -> SendCopy:
        """Return the function that sends a copy. The content is fixed now."""
        if dialect.join:
            return partial(self._batches.send, notice.url, dialect.join, dialect.fields(notice))
        wire = dialect.render(notice)
        return partial(self._sender.send, break_body(wire, fate.broken) if fate.broken else wire)

    def _decide(self, task: Task, event: Event, dialect: Dialect) -> HookFate:
        traits = HookTraits(
            event=event,
            has_body=dialect.has_body,
            has_time=not dialect.is_empty,
            tells_apart=not dialect.is_empty,
            pause=task.plan.try_again_pause,
        )
        rng = rng_for(self._config.seed, "hook", task.account, task.ordinal, event, task.attempts)
        fate = decide_hook(self._config.faults, rng, traits)
        self._world.injected.update(
            f"hook_{name}"
            for name, happened in {
                "dropped": fate.dropped,
                "doubled": fate.copy_after is not None and not fate.late_copy,
                "late_copy": fate.late_copy,
                "delayed": fate.delay,
                "reordered": fate.reordered,
                "broken": fate.broken,
                "skewed": fate.skew,
            }.items()
            if happened
        )
        return fate

    def _start(self, hook: Hook, send: SendCopy) -> None:
        if self._copies is None:
            raise RuntimeError("hooks can only be fired inside `sending()`")
        held: asyncio.Future[Hook | None] | None = None
        if hook.fate.reordered:
            held = self._held[hook.task.id] = asyncio.get_running_loop().create_future()
        for number in range(len(hook.replies)):
            self.pending += 1
            copy = self._copies.create_task(self._send_copy(hook, number, send, held))
            self._not_yet_sent.add(copy)
            copy.add_done_callback(self._not_yet_sent.discard)

    async def _send_copy(
        self, hook: Hook, number: int, send: SendCopy, held: asyncio.Future[Hook | None] | None
    ) -> None:
        if held:
            overtaker = await asyncio.shield(held)
            if overtaker:
                await overtaker.settled.wait()
        await self._clock.sleep(hook.fate.delay + (hook.fate.copy_after or 0.0) * number)
        if this := asyncio.current_task():
            self._not_yet_sent.discard(this)
        hook.replies[number] = await send(f"{hook.id}.{number + 1}")
        self.pending -= 1
        hook.settled.set()
