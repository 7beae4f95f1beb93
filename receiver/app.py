"""The composition root: settings become parts, and parts become workers."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random

import httpx2
import structlog

from receiver.analytics.rollup_projection import Rollups
from receiver.analytics.rollup_repair import adopt_zone
from receiver.domain.fields import FieldReader
from receiver.domain.fold import Fold, fold
from receiver.domain.hooks import HookSigner
from receiver.errors import StoreUnavailableError
from receiver.http.endpoint import SubscriberNetwork
from receiver.inbox.inbox import StoreInbox
from receiver.inbox.level_watch import LevelWatch
from receiver.inbox.reader import InboxReader
from receiver.intake.intake import Intake, Outside
from receiver.ledger.backlog import Background
from receiver.ledger.folder import Folder
from receiver.ledger.ledger import Ledger
from receiver.ledger.links import Links
from receiver.ledger.projector import Projector
from receiver.ledger.throttle import MANY_WRITERS, ONE_WRITER, Throttle
from receiver.maintenance.retention import RetentionRules, RetentionWorker
from receiver.maintenance.schema import create_tables
from receiver.maintenance.table_gauges import SnapshotWorker
from receiver.observability.metrics import Metrics
from receiver.outcomes.operator_watch import OperatorWatch
from receiver.outcomes.outbox import Outbox
from receiver.outcomes.sender import Sender
from receiver.reconcile.account_context import AccountContext
from receiver.reconcile.call_reconciler import CallReconciler
from receiver.reconcile.loop import TaskReconciler
from receiver.runtime.clock import Clock
from receiver.runtime.workers import Supervisor, Worker
from receiver.scheduler.client import SchedulerClient
from receiver.settings.conversion import (
    intake_rules,
    open_traces,
    reconcile_policy,
    retention_rules,
    scheduler_account,
    subscriber_transport,
)
from receiver.settings.models import AccountSettings
from receiver.settings.settings import Settings
from receiver.storage.engine import Store
from receiver.storage.lease_keeper import LeaseConfig, LeaseKeeper
from receiver.storage.leases import DELIVERY_LEASE, RETENTION_LEASE, reconcile_lease
from receiver.storage.postgres import is_url
from receiver.tasks.projections import Attempts, Queues, Tasks, read_stored
from receiver.tasks.search_fill import SearchFill
from receiver.tasks.search_projection import Search

_log = structlog.get_logger("receiver.app")

PROJECTIONS = (Links(), Queues(), Tasks(), Attempts(), Search(), Rollups(), Outbox())
"""What follows from a folded task, in this order."""

_STORE_TIMEOUT_S = 5.0
"""Maximum duration of a statement in seconds; beyond it the caller gets a 503 rather than no answer."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The outside world: time, randomness, and the network (None: the real one)."""

    clock: Clock
    rng: Random
    transport: httpx2.AsyncBaseTransport | None = None


class Receiver:
    """All parts of one receiver, wired. The store is open; `running()` starts the workers."""

    def __init__(self, settings: Settings, environment: Environment) -> None:
        self.settings = settings
        self.environment = environment
        self.metrics = Metrics(open_traces(settings.traces))
        self.signer = HookSigner(settings.signing_keys)
        self.store = Store(settings.store, timeout_s=_STORE_TIMEOUT_S)
        self.metrics.store_log.set_function(self.store.log_bytes)
        create_tables(self.store)
        if not adopt_zone(self.store, settings.analytics.zone, environment.clock.now()):
            _log.warning(
                "days are counted in another zone; `receiver rebuild` counts them in the one of the settings"
            )
        self.projector = create_projector(settings.fold)
        self.ledger = Ledger(self.store, self.metrics, self.projector)
        throttle = Throttle(time.process_time, MANY_WRITERS if self.store.is_shared else ONE_WRITER)
        background = Background(self.store, self.metrics, throttle, environment.clock)
        self.inbox = StoreInbox(self.store, settings.inbox.max_hooks, settings.inbox.max_bytes)
        self.folder = Folder(background, self.projector)
        self.fields = FieldReader(settings.aliases)
        self.reader = InboxReader(self.inbox, self.fields, background, self.folder.backlog)
        self.intake = Intake(
            intake_rules(settings, self.signer),
            self.inbox,
            self.reader.backlog,
            throttle,
            Outside(self.metrics, environment.clock, environment.rng),
        )
        self.store.when_unavailable(self.intake.reject)
        self.closing = asyncio.Event()
        self.clients = {name: self._client(name, account) for name, account in settings.accounts.items()}
        self.contexts = {name: self._context(name, account) for name, account in settings.accounts.items()}

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Run the ledger and the API clients, for commands. The store is closed at the end."""
        async with AsyncExitStack() as stack:
            if self.metrics.traces:
                stack.push_async_callback(self.metrics.traces.close)
            stack.callback(self.store.close)
            await stack.enter_async_context(self._supervise([self.ledger]))
            for client in self.clients.values():
                await stack.enter_async_context(client)
            yield

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the workers of the role. At the end they stop in the order of the work: intake, reader, folder,
        ledger.
        """
        async with self.recording(), AsyncExitStack() as stack:
            for worker in self._carriers():
                await stack.enter_async_context(self._supervise([worker]))
            if self.settings.role.works:
                snapshot = SnapshotWorker(self.store, self.environment.clock, self.metrics)
                fill = SearchFill(self.store, self.settings.fold, self.environment.clock)
                await stack.enter_async_context(self._supervise([snapshot, fill, *self._keepers()]))
                await self._retry_set_aside()
            yield

    def _carriers(self) -> list[Worker]:
        """Return the workers that carry hooks into tasks, the last one first."""
        if not self.settings.role.works:
            return [LevelWatch(self.inbox, self.environment.clock), self.intake]
        return [self.folder, self.reader, *([self.intake] if self.settings.role.takes_hooks else [])]

    async def probe(self) -> None:
        """Return once an empty batch is on disk. Raises StoreUnavailableError."""
        if self.settings.role.takes_hooks:
            await self.intake.probe()
        else:
            async with self.inbox.turn:
                await self.inbox.append([], self.environment.clock.now())
            self.reader.backlog.grow()

    async def caught_up(self) -> None:
        """Return once every acknowledged hook is read and folded."""
        await self.reader.backlog.wait_until_empty()
        await self.folder.backlog.wait_until_empty()

    async def _retry_set_aside(self) -> None:
        """Try again what an earlier version could not read or fold."""
        try:
            await self.reader.retry_all()
            await self.folder.retry_all()
        except StoreUnavailableError as error:
            _log.warning("set-aside hooks and tasks are not retried yet", problem=str(error))

    def _leased(self) -> dict[str, list[Worker]]:
        """Return lease → workers that run only while this receiver holds the lease."""
        leased: dict[str, list[Worker]] = {}
        clock, metrics = self.environment.clock, self.metrics
        if self.settings.reconcile.enabled:
            for name, context in self.contexts.items():
                leased[reconcile_lease(name)] = [TaskReconciler(context), CallReconciler(context)]
        if self.settings.delivery.enabled:
            sender = Sender(self.store, self.open_transport(), clock, self.environment.rng, metrics)
            leased[DELIVERY_LEASE] = [sender, OperatorWatch(self.store, clock)]
        if (keep := retention_rules(self.settings.retention)) != RetentionRules():
            leased[RETENTION_LEASE] = [RetentionWorker(self.store, self.projector, keep, clock, metrics)]
        return leased

    def _keepers(self) -> list[Worker]:
        """Return the keeper of leases, if there is work for it."""
        name = f"{socket.gethostname()}:{os.getpid()}:{self.environment.rng.getrandbits(32):08x}"
        config = LeaseConfig(name, self.settings.lease_s, is_alone=not is_url(self.settings.store))
        work = self._leased()
        return [LeaseKeeper(work, config, self.store, self.environment.clock, self.metrics)] if work else []

    def _supervise(self, workers: list[Worker]) -> Supervisor:
        return Supervisor(workers, self.environment.clock, self.metrics, self.settings.stop_deadline_s)

    def subscriber_network(self) -> SubscriberNetwork:
        """Return the way to subscribers, for the API."""
        is_real = self.environment.transport is None
        allowed = self.settings.delivery.allowed_networks if is_real else None
        return SubscriberNetwork(self.open_transport, allowed)

    def open_transport(self) -> httpx2.AsyncBaseTransport:
        """Return the way to subscribers."""
        return self.environment.transport or subscriber_transport(self.settings.delivery)

    def _client(self, name: str, account: AccountSettings) -> SchedulerClient:
        return SchedulerClient(
            scheduler_account(name, account),
            clock=self.environment.clock,
            rng=self.environment.rng,
            metrics=self.metrics,
            transport=self.environment.transport,
        )

    def _context(self, name: str, account: AccountSettings) -> AccountContext:
        return AccountContext(
            account=name,
            client=self.clients[name],
            ledger=self.ledger,
            store=self.store,
            signer=self.signer,
            clock=self.environment.clock,
            policy=reconcile_policy(self.settings, account),
            metrics=self.metrics,
            region=account.region,
        )


def create_projector(fold: Fold = fold) -> Projector:
    """Return the projector with all projections. `fold`: folds the facts of one task."""
    return Projector(PROJECTIONS, read_stored, fold)
