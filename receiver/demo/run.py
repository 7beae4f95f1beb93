"""Run the demonstration: the emulator is a process of its own, the receiver runs in this one."""

import asyncio
import secrets
import time
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx2
from sqlalchemy import Connection, func, select

from receiver.app import Environment, Receiver
from receiver.demo.create import create_all
from receiver.demo.crm import TOLERANCE_S, SampleCrm
from receiver.demo.crm import serving as serving_crm
from receiver.demo.plan import ACCOUNTS
from receiver.demo.processes import cancel_at_signals, emulator_process, serving_receiver
from receiver.http.endpoint import ApiContext, Call, Caller, Params
from receiver.inbox.inbox import measure
from receiver.ledger import dirty
from receiver.ledger.tables import DELIVERY
from receiver.outcomes.params import SubscriptionBody
from receiver.outcomes.signing import new_secret
from receiver.outcomes.subscription_endpoints import add_subscription
from receiver.outcomes.tables import MESSAGE, OPEN
from receiver.runtime.clock import WallClock
from receiver.server import listen
from receiver.settings.settings import Settings
from receiver.storage.serve_lock import holding
from receiver.tasks.tables import TASK

_LOOK_S = 0.5
_STALL_TIMEOUT_S = 60.0
"""Real seconds without progress after which the demonstration stops waiting."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`speed`: seconds of the demonstration in a real one. `crm_failures`: share of first delivery attempts
    that the sample CRM answers badly.
    """

    tasks: int
    seed: int
    faults: str
    dialect: str
    speed: float
    reconcile: bool
    crm_failures: float
    folder: Path


@dataclass(frozen=True, slots=True)
class Glance:
    """`existing`: tasks at the scheduler. `done`: settled tasks. `arrived`: outcomes at the CRM. `waiting`:
    hooks to read, tasks to fold and outcomes to deliver.
    """

    created: int
    existing: int
    finished: int
    done: int
    hooks: int
    arrived: int
    waiting: int
    emulator_idle: bool


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A running demonstration."""

    options: DemoOptions
    receiver: Receiver
    url: str
    emulator_url: str
    crm: SampleCrm
    crm_url: str
    serving: asyncio.Task[None]

    async def truth(self) -> dict[str, Any]:
        """Return all that the emulator knows."""
        async with httpx2.AsyncClient(timeout=60) as http:
            answer = await http.get(f"{self.emulator_url}/emulator/truth")
            return dict(answer.json())

    async def glance(self, created: int) -> Glance:
        """Return the progress of both sides."""
        async with httpx2.AsyncClient(timeout=30) as http:
            status = (await http.get(f"{self.emulator_url}/emulator/status")).json()
        finished, done, hooks, waiting = await self.receiver.store.read(_counts)
        existing, arrived = sum(status["tasks"].values()), len(self.crm.events)
        return Glance(created, existing, finished, done, hooks, arrived, waiting, status["idle"])


def _counts(connection: Connection) -> tuple[int, int, int, int]:
    ended = select(func.count()).where(TASK.c.state.in_(("finished", "gone")))
    settled = select(func.count()).where(TASK.c.settled)
    hooks = select(func.count()).select_from(DELIVERY)
    to_deliver = select(func.count()).where(MESSAGE.c.state.in_(OPEN))
    queries = (ended, settled, hooks, to_deliver)
    values = [connection.execute(query).scalar_one() for query in queries]
    unread, to_fold = measure(connection).hooks, dirty.waiting(connection).tasks
    return values[0], values[1], values[2] + unread, values[3] + unread + to_fold


@asynccontextmanager
async def demonstration(options: DemoOptions) -> AsyncIterator[Demonstration]:
    """Start emulator, CRM and receiver. All are stopped at the end of the block, or by a signal."""
    cancel_at_signals()
    origin = _origin(options.speed, time.time())
    clock = WallClock(options.speed, origin)
    secret = secrets.token_urlsafe(24)
    crm = _crm(options, clock)
    emulating = emulator_process(_emulator_arguments(options, origin, secret))
    async with emulating as emulator, serving_crm(crm) as crm_url:
        hooks, api = listen("127.0.0.1", 0), listen("127.0.0.1", 0)
        ports = hooks.getsockname()[1], api.getsockname()[1]
        settings = _settings(options, origin, secret, emulator.url, ports)
        with holding(settings.store):
            receiver = Receiver(settings, Environment(clock, Random(options.seed)))
            async with serving_receiver(receiver, hooks, api) as serving:
                await _subscribe(receiver, crm.secret, crm_url)
                yield Demonstration(
                    options, receiver, settings.hook_root, emulator.url, crm, crm_url, serving
                )


def _crm(options: DemoOptions, clock: WallClock) -> SampleCrm:
    # The network takes real seconds, which are many on a fast clock.
    tolerance_s = TOLERANCE_S * options.speed
    return SampleCrm(
        new_secret(), clock.now, tolerance_s=tolerance_s, failures=options.crm_failures, seed=options.seed
    )


async def _subscribe(receiver: Receiver, secret: str, url: str) -> None:
    """Do what `receiver subscriptions add` does."""
    clock, names = receiver.environment.clock, tuple(receiver.settings.accounts)
    context = ApiContext(receiver.store, receiver.signer, receiver.settings.hook_root, names, clock)
    body = SubscriptionBody(name="sample CRM", url=url, secret=secret, concurrency=8)
    await add_subscription(Call(context, Caller("demo", frozenset()), {}, Params(), body))


async def run_tasks(demo: Demonstration, report: Callable[[Glance], None]) -> None:
    """Create all tasks and wait until both sides are done with them, or nothing changes any more."""
    created = 0

    async def create() -> None:
        nonlocal created
        async for count in create_all(demo.receiver, demo.url, demo.options.tasks, demo.options.seed):
            created += count

    creating = asyncio.create_task(create())
    last, moved_at = None, time.monotonic()
    try:
        while time.monotonic() - moved_at <= _STALL_TIMEOUT_S:
            glance = await demo.glance(created)
            report(glance)
            if glance != last:
                last, moved_at = glance, time.monotonic()
            if creating.done() and (creating.exception() or _is_over(demo.options, glance)):
                return creating.result()
            await asyncio.sleep(_LOOK_S)
    finally:
        creating.cancel()


def _is_over(options: DemoOptions, glance: Glance) -> bool:
    is_known = glance.done == glance.existing or not options.reconcile
    return glance.emulator_idle and is_known and not glance.waiting


def _origin(speed: float, now: float) -> float:
    """Return the origin of a clock that shows 9:00 UTC of today now: answers depend on the hour."""
    nine = now - now % 86400 + 9 * 3600
    return (speed * now - nine) / (speed - 1) if speed > 1 else now


def _emulator_arguments(options: DemoOptions, origin: float, secret: str) -> list[str]:
    accounts = [
        part for name, number in ACCOUNTS.items() for part in ("--account", f"{number}:demo-{name}:{secret}")
    ]
    values = {
        "port": 0,
        "seed": options.seed,
        "faults": options.faults,
        "dialect": options.dialect,
        "speed": options.speed,
        "origin": repr(origin),
        "quota": 100 * options.tasks + 5000,
    }
    return [*(part for name, value in values.items() for part in (f"--{name}", str(value))), *accounts]


def _settings(
    options: DemoOptions, origin: float, secret: str, emulator_url: str, ports: tuple[int, int]
) -> Settings:
    """Return settings for the emulator, and write them into the folder for other commands."""
    account = f"""base_url = "{emulator_url}/api/ver1.0"
oauth_client_secret = "{secret}"
"""
    accounts = "".join(
        f'[accounts.{name}]\nclient_id = "{number}"\noauth_client_id = "demo-{name}"\n{account}'
        for name, number in ACCOUNTS.items()
    )
    text = f"""port = {ports[0]}
store = "{options.folder / "receiver.db"}"
log_level = "error"
clock_speed = {options.speed}
clock_origin = {origin!r}
hook_keys = [{{ name = "demo", secret = "{secrets.token_urlsafe(32)}" }}]
{accounts}[api]
port = {ports[1]}
[reconcile]
enabled = {str(options.reconcile).lower()}
overdue_after_s = 90
late_hook_grace_s = 240
ask_again_s = 30
sweep_every_s = 300
poll_s = 15
[delivery]
allowed_networks = ["127.0.0.0/8"]
"""
    (options.folder / "receiver.toml").write_text(text)
    return Settings.model_validate(tomllib.loads(text))
