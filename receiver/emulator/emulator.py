"""The emulator, assembled from its parts."""

import asyncio
import time
from typing import Any

import httpx2
from starlette.types import ASGIApp

from receiver.emulator.api import Context
from receiver.emulator.app import create_app
from receiver.emulator.clock import Clock, WallClock
from receiver.emulator.config import EmulatorConfig
from receiver.emulator.execution import Engine
from receiver.emulator.hooks import Hooks
from receiver.emulator.state import SavedState, dump_state, restore
from receiver.emulator.truth import status, truth
from receiver.emulator.world import World


class Emulator:
    """A working scheduler. `app` always answers; tasks are executed while `run` is running, once."""

    def __init__(self, context: Context, origin: float) -> None:
        self.app: ASGIApp = create_app(context)
        self._context = context
        self._origin = origin

    async def run(self, stop: asyncio.Event) -> None:
        """Execute tasks and send hooks until `stop` is set; then finish the hooks in flight."""
        async with self._context.hooks.sending():
            await self._context.engine.run(stop)

    def state(self) -> bytes:
        """Return the state as JSON, for `read_state`."""
        context = self._context
        return dump_state(context.world, context.hooks, context.config.speed, self._origin)

    def truth(self) -> dict[str, Any]:
        """Return what really happened, as `GET /emulator/truth`."""
        return truth(self._context.world, self._context.hooks)

    def status(self) -> dict[str, Any]:
        """Return the same as `GET /emulator/status`."""
        return status(self._context.world, self._context.hooks, self._context.clock.now())


def create_emulator(
    config: EmulatorConfig,
    *,
    clock: Clock | None = None,
    hook_transport: httpx2.AsyncBaseTransport | None = None,
    saved: SavedState | None = None,
) -> Emulator:
    """Return an emulator. `clock` replaces the configured clock, `hook_transport` the network for hooks.
    `saved`: the state from which it goes on.
    """
    given = saved.origin if saved else config.origin
    origin = time.time() if given is None else given
    clock = clock or WallClock(config.speed, origin)
    world = World(config)
    hooks = Hooks(config, clock, world, hook_transport)
    engine = Engine(config, clock, world, hooks)
    if saved:
        for task in restore(saved, world, hooks):
            engine.admit(task)
    return Emulator(Context(config, clock, world, engine, hooks), origin)
