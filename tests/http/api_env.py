"""A receiver without its doors: a real store and ledger, told facts directly and asked over /v1."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette

from receiver.api import ENDPOINTS, v1_routes
from receiver.console.site import console_routes
from receiver.domain.facts import (
    EVENTS,
    Event,
    Fact,
    FactPayload,
    HookEvent,
    QueueSnapshot,
    TaskSettled,
    TaskSnapshot,
    hook_fact,
    id_time,
    observation,
    queue_fact,
)
from receiver.domain.hooks import HookKey, HookSigner
from receiver.http.endpoint import ApiContext, SubscriberNetwork
from receiver.http.tokens import create_token
from receiver.inbox.refused import RefusalLog
from receiver.inbox.unplaced import NAMES_NO_TASK
from receiver.ledger.append import Arrival, Delivery
from receiver.ledger.ledger import Ledger
from receiver.outcomes.guard import GuardedTransport
from receiver.outcomes.task_messages import untold_tasks
from receiver.reconcile import due_sql
from receiver.runtime.clock import WallClock
from receiver.settings.settings import Settings
from receiver.settings.settings_endpoint import RunningSettings
from receiver.storage.engine import Store
from receiver.tasks.names import Names
from receiver.tasks.problems import UntoldTasks
from tests.ledger.ledger_env import LedgerEnv, open_ledger_env

Json = dict[str, Any]

T0 = 1_772_357_400.0
"""2026-03-01T09:30:00Z."""

A_NUMBER, B_NUMBER = "+79161234567", "84957654321"
SCOPES = ("read", "numbers", "mint", "audit", "purge", "subscribe", "tokens")
SIGNER = HookSigner((HookKey("k1", "s" * 32),))


def finished(**changes: Any) -> TaskSnapshot:
    """The API's record of a task that succeeded at its first attempt."""
    said: Json = {
        "status": "finished",
        "queue_id": "17",
        "name": "order 4711",
        "finish_result": "success",
        "finish_comment": "connected",
        "cdr": "c-1",
        "try_count": 3,
        "pause": 60.0,
        "start_at": T0,
        "a_number": A_NUMBER,
        "b_number": B_NUMBER,
        "hooks": EVENTS,
    }
    return TaskSnapshot(**said | changes)


@dataclass
class ApiEnv:
    """What a test tells and asks."""

    ledger_env: LedgerEnv
    context: ApiContext
    client: httpx2.AsyncClient
    tokens: dict[str, str] = field(default_factory=dict)
    heard: int = 0

    @property
    def store(self) -> Store:
        return self.ledger_env.store

    @property
    def ledger(self) -> Ledger:
        return self.ledger_env.ledger

    async def hook(self, ref: str | None, event: Event, at: float, body: bytes = b"", **changes: Any) -> str:
        """One delivery and its event; the delivery's id."""
        self.heard += 1
        delivery_id = f"{int(at * 1000):012x}{self.heard:020x}"
        problem = changes.pop("problem", None)
        account = changes.pop("account", "main")
        task_id = changes.pop("task_id", None)
        said = HookEvent(event, **{"readable": problem is None} | changes)
        row = {
            "id": delivery_id,
            "account": account,
            "event": event,
            "ref": ref,
            "received_at": at,
            "method": "POST",
            "query": "id=5",
            "headers": '[["content-type","application/x-www-form-urlencoded"]]',
            "body": body,
            "peer": "192.0.2.7",
            "problem": problem,
        }
        fact = hook_fact(account, delivery_id, at, said, (ref, task_id))
        await self.ledger_env.arrive(fact, Delivery(**row))
        return delivery_id

    async def nameless(self, event: Event, at: float, body: bytes, account: str = "main") -> str:
        """A delivery at a fixed URL that was read as of no task; its id."""
        self.heard += 1
        delivery_id = f"{id_time(at)}{self.heard:020x}"
        headers = '[["content-type","application/x-www-form-urlencoded"]]'
        came = delivery_id, account, event, None, at, "POST", "", headers, body, "192.0.2.7", NAMES_NO_TASK
        await self.ledger_env.accept(Arrival(Delivery(*came), None))
        return delivery_id

    async def said(
        self, ref: str | None, at: float, said: FactPayload, task_id: str | None = None, account: str = "main"
    ) -> None:
        """One observation of a task."""
        await self.ledger.record([observation(account, at, said, (ref, task_id))])

    async def queue(self, queue_id: str, account: str = "main", **changes: Any) -> None:
        said = QueueSnapshot(queue_id, **{"status": "on", "name": "call-backs"} | changes)
        await self.ledger.record([queue_fact(account, T0, said)])

    async def swept(self, queue_id: str, completed_at: float | None, error: str | None = None) -> None:
        row = {
            "account": "main",
            "queue_id": queue_id,
            "started_at": T0,
            "next_page": 1,
            "tasks": 0,
            "completed_at": completed_at,
            "error": error,
        }
        await self.store.write(lambda connection: due_sql.put_sweep(connection, row))

    async def settled_without_after(self, ref: str, at: float = T0, **changes: Any) -> None:
        """A task that succeeded and whose `after` hook was lost."""
        await self.hook(ref, "before", at)
        await self.hook(ref, "success", at + 30)
        await self.said(ref, at + 60, finished(**changes), task_id=f"9{ref}")
        await self.said(ref, at + 90, TaskSettled())

    async def record(self, facts: Iterable[Fact]) -> None:
        await self.ledger.record(list(facts))

    async def token(self, *scopes: str) -> str:
        """A token with these scopes."""
        name = "-".join(scopes)
        if name not in self.tokens:
            self.tokens[name] = await self.store.write(
                lambda connection: create_token(connection, name, scopes, T0)
            )
        return self.tokens[name]

    async def ask(self, path: str, *scopes: str, method: str = "GET", **rest: Any) -> httpx2.Response:
        """A request with a token that has these scopes (`read` where none is named)."""
        headers = {"Authorization": f"Bearer {await self.token(*(scopes or ('read',)))}"}
        return await self.client.request(method, path, headers=headers, **rest)

    async def get(self, path: str, *scopes: str, **params: Any) -> Json:
        """The JSON of an answer that must be a success."""
        response = await self.ask(path, *scopes, params=params)
        assert response.status_code == 200, response.text
        answer: Json = response.json()
        return answer

    async def refused(self, path: str, status: int, **params: Any) -> Json:
        """The error of an answer that must have this status."""
        response = await self.ask(path, params=params)
        assert response.status_code == status, response.text
        error: Json = response.json()["error"]
        return error


def _settings() -> Settings:
    account = {
        "base_url": "https://scheduler.example/api",
        "client_id": "1",
        "oauth_client_id": "app",
        "oauth_client_secret": "s" * 32,
    }
    given = {"hook_keys": [{"name": "k1", "secret": "s" * 32}], "accounts": {"main": account}}
    return Settings.model_validate(given)


def api_app(context: ApiContext) -> Starlette:
    """The API and the console."""
    return Starlette(routes=[*console_routes(context, ENDPOINTS), *v1_routes(context)])


@asynccontextmanager
async def running_rig(path: Path, **changes: Any) -> AsyncIterator[ApiEnv]:
    """A api_env over a SQLite store in this folder."""
    async with open_api_env(str(path / "receiver.db"), **changes) as api_env:
        yield api_env


@asynccontextmanager
async def open_api_env(target: str, **changes: Any) -> AsyncIterator[ApiEnv]:
    """A api_env over this store, its ledger and folder running."""
    async with open_ledger_env(target) as ledger_env:
        given: Json = {
            "store": ledger_env.store,
            "signer": SIGNER,
            "public_url": "https://hooks.example",
            "accounts": ("main", "second"),
            "clock": WallClock(),
            "refusals": RefusalLog(),
            "names": Names(("main", "second")),
            "services": {
                SubscriberNetwork: SubscriberNetwork(lambda: GuardedTransport(()), ()),
                RunningSettings: RunningSettings(_settings()),
            },
        }
        values = given | changes
        services = {UntoldTasks: UntoldTasks(untold_tasks), **values["services"]}
        context = ApiContext(**values | {"services": services})
        transport = httpx2.ASGITransport(app=api_app(context))
        async with httpx2.AsyncClient(transport=transport, base_url="http://receiver.test") as client:
            yield ApiEnv(ledger_env, context, client)
