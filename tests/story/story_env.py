"""A store with hooks, the API's answers and subscribers, and the story that is told of it over /v1."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import update

from receiver.domain.timeline import Purpose
from receiver.http.endpoint import WorkRules
from receiver.reconcile import due_sql
from receiver.storage import leases
from receiver.storage.leases import LeaseRenewal
from receiver.tasks.tables import TASK
from tests.http.api_env import T0, ApiEnv, Json, open_api_env
from tests.outcomes.delivery_env import DeliveryEnv, SteppedClock

LEASES = ("delivery", "reconcile:main")
MARGINS: dict[Purpose, float] = {
    "find": 2.0,
    "progress": 120.0,
    "confirm": 2.0,
    "call": 0.0,
    "settle": 300.0,
}


@dataclass
class StoryEnv:
    """`clock`: of the sender and of the story."""

    api: ApiEnv
    delivery: DeliveryEnv
    clock: SteppedClock

    async def story(self, ref: str = "r1", *scopes: str, **params: Any) -> Json:
        return await self.api.get(f"/v1/tasks/main/{ref}/story", *scopes, **params)

    async def waits(self, ref: str = "r1", **params: Any) -> list[tuple[str, str]]:
        """The kind and the text of what the task waits for."""
        return [(wait["kind"], wait["text"]) for wait in (await self.story(ref, **params))["waits"]]

    async def held(self, *names: str) -> None:
        """Another receiver holds these leases from now on, for ten minutes, and no others."""
        now = self.clock.now()
        renewal = LeaseRenewal("other", names, names, 600.0, now, is_alone=True)
        await self.api.store.write(partial(leases.renew, renewal=renewal))

    async def passed(self, part: str = "tasks", **changes: Any) -> None:
        """Reconciliation has made a pass over the account."""
        row = {
            "account": "main",
            "part": part,
            "at": self.clock.now(),
            "problems": {},
            "failing_since": None,
            "blocked_until": None,
            "quota_limit": None,
            "quota_remaining": None,
            "quota_reset_at": None,
        }
        await self.api.store.write(partial(due_sql.put_pass, row=row | changes))

    async def asked(self, ref: str, ask_at: float, asks: int) -> None:
        """The API was asked about the task in vain."""
        query = update(TASK).where(TASK.c.key == ref).values(ask_at=ask_at, asks=asks)
        await self.api.store.write(lambda connection: connection.execute(query))


@asynccontextmanager
async def open_story_env(target: str, at: float = T0 + 10, **rules: Any) -> AsyncIterator[StoryEnv]:
    clock = SteppedClock(at)
    given = WorkRules(**{"margins": MARGINS} | rules)
    async with open_api_env(target, clock=clock, rules=given) as api:
        env = StoryEnv(api, DeliveryEnv(api.ledger_env, clock), clock)
        await env.held(*LEASES)
        yield env


def texts(waits: Sequence[tuple[str, str]], kind: str) -> list[str]:
    """The texts of one kind."""
    return [text for found, text in waits if found == kind]
