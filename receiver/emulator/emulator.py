"""One emulator, put together."""

import asyncio
from typing import Any

import httpx2
from starlette.types import ASGIApp

from receiver.emulator.app import create_app
from receiver.emulator.clock import Clock, WallClock
from receiver.emulator.config import EmulatorConfig
from receiver.emulator.door import Parts
from receiver.emulator.engine import Engine
from receiver.emulator.hooks import Hooks
from receiver.emulator.truth import status, truth
from receiver.emulator.world import World


class Emulator:
    """A working scheduler. `app` answers at any time; tasks are executed while `run` runs, once."""

    def __init__(self, parts: Parts) -> None:
        self.app: ASGIApp = create_app(parts)
        self._parts = parts

    async def run(self, stop: asyncio.Event) -> None:
        """Execute tasks and send hooks until `stop` is set; then see the hooks in flight through."""
        async with self._parts.hooks.sending():
            await self._parts.engine.run(stop)

    def truth(self) -> dict[str, Any]:
        """What really happened: the same as `GET /emulator/truth`."""
        return truth(self._parts.world, self._parts.hooks)

    def status(self) -> dict[str, Any]:
        """The same as `GET /emulator/status`."""
        return status(self._parts.world, self._parts.hooks, self._parts.clock.now())


def create_emulator(
    config: EmulatorConfig,
    *,
    clock: Clock | None = None,
    hook_transport: httpx2.AsyncBaseTransport | None = None,
) -> Emulator:
    """`clock` replaces the one of the configuration, `hook_transport` the network of the hooks."""
    clock = clock or WallClock(config.speed, config.origin)
    world = World(config)
    hooks = Hooks(config, clock, world, hook_transport)
    engine = Engine(config, clock, world, hooks)
    return Emulator(Parts(config, clock, world, engine, hooks))
