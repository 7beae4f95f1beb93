"""The composition root: settings become parts, parts become workers and the API's application."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random

import httpx2
import structlog
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from receiver.analytics.chart_endpoints import CHART_ENDPOINTS
from receiver.analytics.endpoints import ANALYTICS_ENDPOINTS
from receiver.analytics.export_endpoint import EXPORT_ENDPOINT
from receiver.analytics.rollup_projection import Rollups
from receiver.analytics.rollup_repair import adopt_zone
from receiver.docs.endpoints import docs_routes
from receiver.domain.fields import FieldReader
from receiver.domain.fold import Fold, fold
from receiver.domain.hooks import HookSigner
from receiver.errors import StoreUnavailableError
from receiver.http.access_log import RequestLog
from receiver.http.endpoint import ApiContext
from receiver.http.routes import api_routes
from receiver.inbox.inbox import StoreInbox
from receiver.inbox.reader import InboxReader
from receiver.intake.access import Access, FixedAccess
from receiver.intake.endpoints import INTAKE_ENDPOINTS
from receiver.intake.intake import Intake, IntakeRules, Outside
from receiver.intake.listener import Limits
from receiver.ledger.backlog import Background
from receiver.ledger.folder import Folder
from receiver.ledger.ledger import Ledger
from receiver.ledger.links import Links
from receiver.ledger.projector import Projector
from receiver.ledger.throttle import MANY_WRITERS, ONE_WRITER, Throttle
from receiver.maintenance.retention import Keep, RetentionWorker
from receiver.maintenance.schema import create_tables
from receiver.maintenance.table_gauges import SnapshotWorker
from receiver.observability.metrics import Metrics
from receiver.observability.traces import Traces
from receiver.outcomes.endpoints import OUTBOUND_ENDPOINTS
from receiver.outcomes.feed import STREAM_PATH, OutcomeStream
from receiver.outcomes.guard import GuardedTransport, read_networks
from receiver.outcomes.outbox import Outbox
from receiver.outcomes.sender import Sender
from receiver.reconcile.account_context import AccountContext
from receiver.reconcile.call_reconciler import CallReconciler
from receiver.reconcile.loop import TaskReconciler
from receiver.reconcile.policy import Policy
from receiver.runtime.clock import Clock
from receiver.runtime.workers import Supervisor, Worker
from receiver.scheduler.account import SchedulerAccount
from receiver.scheduler.client import SchedulerClient
from receiver.settings.models import AccountSettings, ListenerSettings, RetentionSettings, TracesSettings
from receiver.settings.settings import Settings
from receiver.storage.engine import Store
from receiver.storage.lease_keeper import LeaseConfig, LeaseKeeper
from receiver.storage.postgres import is_url
from receiver.tasks.endpoints import TASK_ENDPOINTS
from receiver.tasks.projections import Attempts, Queues, Tasks, read_stored

_log = structlog.get_logger("receiver.app")

PROJECTIONS = (Links(), Queues(), Tasks(), Attempts(), Rollups(), Outbox())
"""What follows from a folded task, in this order."""

ENDPOINTS = (
    *TASK_ENDPOINTS,
    *INTAKE_ENDPOINTS,
    *OUTBOUND_ENDPOINTS,
    *ANALYTICS_ENDPOINTS,
    EXPORT_ENDPOINT,
    *CHART_ENDPOINTS,
)
"""All of /v1 but for the stream of outcomes."""

_READY_TIMEOUT_S = 20.0
_DAY_S = 86_400.0

_STORE_TIMEOUT_S = 5.0
"""A statement that takes longer is given up: whoever waits for it gets a 503 rather than no answer."""


@dataclass(frozen=True, slots=True)
class World:
    """What is handed in from outside: time, randomness, and the network (None: the real one)."""

    clock: Clock
    rng: Random
    transport: httpx2.AsyncBaseTransport | None = None


class Receiver:
    """All parts of one receiver, wired. The store is open at once; `running()` starts the workers."""

    def __init__(self, settings: Settings, world: World) -> None:
        self.settings = settings
        self.world = world
        self.metrics = Metrics(open_traces(settings.traces))
        self.signer = HookSigner(settings.signing_keys)
        self.store = Store(settings.store, timeout_s=_STORE_TIMEOUT_S)
        self.metrics.store_log.set_function(self.store.log_bytes)
        create_tables(self.store)
        if not adopt_zone(self.store, settings.analytics.zone, world.clock.now()):
            _log.warning(
                "days are counted in another zone; `receiver rebuild` counts them in the one that is set"
            )
        self.projector = create_projector(settings.fold)
        self.ledger = Ledger(self.store, self.metrics, self.projector)
        throttle = Throttle(time.process_time, MANY_WRITERS if self.store.is_shared else ONE_WRITER)
        background = Background(self.store, self.metrics, throttle, world.clock)
        self.inbox = StoreInbox(self.store, settings.inbox.max_hooks, settings.inbox.max_bytes)
        self.folder = Folder(background, self.projector)
        self.fields = FieldReader(settings.aliases)
        self.reader = InboxReader(self.inbox, self.fields, background, self.folder.backlog)
        self.intake = Intake(
            self._intake_rules(),
            self.inbox,
            self.reader.backlog,
            throttle,
            Outside(self.metrics, world.clock, world.rng),
        )
        self.store.when_unavailable(self.intake.reject)
        self.closing = asyncio.Event()
        self.clients = {name: self._client(name, account) for name, account in settings.accounts.items()}
        self.contexts = {name: self._context(name, account) for name, account in settings.accounts.items()}

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """What a command needs to ask the API and keep what it says. The store is closed at the end."""
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
        """Run all workers. At the end those stop first whose work others take further."""
        async with self.recording(), AsyncExitStack() as stack:
            for worker in (self.folder, self.reader, self.intake):
                await stack.enter_async_context(self._supervise([worker]))
            snapshot = SnapshotWorker(self.store, self.world.clock, self.metrics)
            await stack.enter_async_context(self._supervise([snapshot, *self._keepers()]))
            await self._retry_what_was_set_aside()
            yield

    async def caught_up(self) -> None:
        """Returns once every hook that was acknowledged is read and folded."""
        await self.reader.backlog.wait_until_empty()
        await self.folder.backlog.wait_until_empty()

    async def _retry_what_was_set_aside(self) -> None:
        """What an earlier version could not read or fold, this one perhaps can."""
        try:
            await self.reader.retry_all()
            await self.folder.retry_all()
        except StoreUnavailableError as error:
            _log.warning("what was set aside is not tried again yet", problem=str(error))

    def _intake_rules(self) -> IntakeRules:
        access = Access(self.signer, fixed_access(self.settings.accounts), self.settings.trusted_proxies)
        return IntakeRules(access, self.settings.max_body_bytes)

    def _leased(self) -> dict[str, list[Worker]]:
        """Lease → the workers that run in one receiver at a time, while it holds the lease."""
        leased: dict[str, list[Worker]] = {}
        if self.settings.reconcile.enabled:
            for name, context in self.contexts.items():
                leased[f"reconcile:{name}"] = [TaskReconciler(context), CallReconciler(context)]
        if self.settings.delivery.enabled:
            leased["delivery"] = [self._sender()]
        keep = retention_rules(self.settings.retention)
        if keep != Keep():
            leased["retention"] = [
                RetentionWorker(self.store, self.projector, keep, self.world.clock, self.metrics)
            ]
        return leased

    def _keepers(self) -> list[Worker]:
        """The one keeper of leases, where there is work for it."""
        name = f"{socket.gethostname()}:{os.getpid()}:{self.world.rng.getrandbits(32):08x}"
        config = LeaseConfig(name, self.settings.lease_s, is_alone=not is_url(self.settings.store))
        work = self._leased()
        return [LeaseKeeper(work, config, self.store, self.world.clock, self.metrics)] if work else []

    def _supervise(self, workers: list[Worker]) -> Supervisor:
        return Supervisor(workers, self.world.clock, self.metrics, self.settings.stop_deadline_s)

    def _sender(self) -> Sender:
        allowed = read_networks(self.settings.delivery.allowed_networks)
        transport = self.world.transport or GuardedTransport(allowed)
        return Sender(self.store, transport, self.world.clock, self.world.rng, self.metrics)

    def _client(self, name: str, account: AccountSettings) -> SchedulerClient:
        return SchedulerClient(
            scheduler_account(name, account),
            clock=self.world.clock,
            rng=self.world.rng,
            metrics=self.metrics,
            transport=self.world.transport,
        )

    def _context(self, name: str, account: AccountSettings) -> AccountContext:
        return AccountContext(
            account=name,
            client=self.clients[name],
            ledger=self.ledger,
            store=self.store,
            signer=self.signer,
            clock=self.world.clock,
            policy=reconcile_policy(self.settings, account),
            metrics=self.metrics,
        )


def create_projector(fold: Fold = fold) -> Projector:
    """Return the projector with all projections. `fold`: folds the facts of one task."""
    return Projector(PROJECTIONS, read_stored, fold)


def open_traces(settings: TracesSettings) -> Traces | None:
    """Where spans go; None: nowhere. Raises NotInstalledError."""
    return Traces(str(settings.endpoint), settings.share) if settings.endpoint else None


def scheduler_account(name: str, account: AccountSettings) -> SchedulerAccount:
    """An account's settings as the client takes them."""
    return SchedulerAccount(
        name=name,
        base_url=str(account.base_url),
        client_id=account.client_id,
        oauth_client_id=account.oauth_client_id,
        oauth_client_secret=account.oauth_client_secret.get_secret_value(),
        token_url=str(account.token_url) if account.token_url else None,
        task_segment=account.task_segment,
        create_segment=account.create_segment,
        per_page=account.per_page,
        timeout=account.timeout_s,
        quickest_call=account.quickest_call_s,
    )


def fixed_access(accounts: Mapping[str, AccountSettings]) -> dict[str, FixedAccess]:
    """How the fixed hook URLs of each account are opened."""
    return {
        name: FixedAccess(
            account.fixed_secret.get_secret_value() if account.fixed_secret else None, account.fixed_addresses
        )
        for name, account in accounts.items()
    }


def reconcile_policy(settings: Settings, account: AccountSettings) -> Policy:
    """The reconcile settings as its workers take them."""
    rules = settings.reconcile
    return Policy(
        margins={
            "find": rules.confirm_after_s,
            "progress": rules.overdue_after_s,
            "confirm": rules.confirm_after_s,
            "call": 0.0,
            "settle": rules.late_hook_grace_s,
        },
        waits={
            "find": rules.ask_again_s,
            "progress": rules.ask_again_s,
            "confirm": max(rules.confirm_after_s, 1.0),
            "call": max(rules.confirm_after_s, 1.0),
            "settle": rules.ask_again_s,
        },
        sweep_every=rules.sweep_every_s,
        poll=rules.poll_s,
        quota_share=account.quota_share,
        keep=retention_rules(settings.retention).tasks,
    )


def retention_rules(settings: RetentionSettings) -> Keep:
    """The retention settings as its worker takes them."""
    days = settings.deliveries_days, settings.set_aside_days, settings.tasks_days
    return Keep(*(None if each is None else each * _DAY_S for each in days))


def listener_limits(settings: ListenerSettings) -> Limits:
    """The listener settings as it takes them."""
    return Limits(**settings.model_dump())


def create_app(receiver: Receiver) -> RequestLog:
    """The API, its documentation, the metrics and the health checks."""
    return RequestLog(Starlette(routes=_routes(receiver)))


def _routes(receiver: Receiver) -> list[BaseRoute]:
    context = ApiContext(
        store=receiver.store.for_requests(),
        signer=receiver.signer,
        public_url=receiver.settings.hook_root,
        accounts=tuple(receiver.settings.accounts),
        clock=receiver.world.clock,
        fold=receiver.settings.fold,
        fields=receiver.fields,
        closing=receiver.closing,
        refusals=receiver.intake.refusals,
    )

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        # A probe waits for its commit as a hook does, and for as long: only so is it answered as a hook is.
        try:
            await asyncio.wait_for(receiver.intake.probe(), _READY_TIMEOUT_S)
        except (TimeoutError, StoreUnavailableError) as error:
            problem = str(error) or "the store does not commit in time"
            return JSONResponse({"status": "not ready", "problem": problem}, 503, {"Retry-After": "5"})
        return JSONResponse({"status": "ready"})

    async def metrics(request: Request) -> Response:
        encode, media = choose_encoder(request.headers.get("accept", ""))
        text = await run_in_threadpool(encode, receiver.metrics.registry)
        return Response(text, headers={"Content-Type": media})

    async def root(_request: Request) -> Response:
        return RedirectResponse("/docs")

    return [
        Route("/", root),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        *docs_routes(),
        *v1_routes(context),
    ]


def v1_routes(context: ApiContext) -> list[BaseRoute]:
    """Return all routes of /v1."""
    return [Route(STREAM_PATH, OutcomeStream(context).__call__), *api_routes(context, ENDPOINTS)]
