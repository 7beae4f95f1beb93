"""Browsers without a window, in front of the sign-in, with a clock that tests put forward."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx2
from argon2 import PasswordHasher
from sqlalchemy import select

from receiver.console.sign_in.links import make_link
from receiver.console.sign_in.passwords import hash_password
from receiver.console.sign_in.rules import SignInRules
from receiver.console.sign_in.session import csrf_of
from receiver.console.sign_in.users import add_user, change_user
from receiver.http.audit import AUDIT
from tests.http.api_env import T0, ApiEnv, api_app, open_api_env
from tests.outcomes.delivery_env import SteppedClock

HOST = "receiver.test:8081"
OWN = {"Sec-Fetch-Site": "same-origin"}
PASSWORD = "a quiet green lamp"

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Argon2 without its cost, for tests of what is around it."""


@dataclass
class Browser:
    """A client with a jar of cookies. `address`: from which it comes."""

    client: httpx2.AsyncClient

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        return await self.client.get(path, headers=headers or {})

    async def post(self, path: str, headers: Mapping[str, str] | None = None, **form: str) -> httpx2.Response:
        """Send a form of a page of ours, or one with other headers."""
        return await self.client.post(path, data=form, headers=OWN if headers is None else headers)

    async def sign_in(
        self, name: str = "anna", password: str = PASSWORD, target: str = ""
    ) -> httpx2.Response:
        return await self.post("/console/sign-in", name=name, password=password, next=target)

    async def is_in(self) -> bool:
        """Return whether a page is shown rather than the sign-in."""
        answer = await self.get("/console/queues")
        assert answer.status_code in (200, 303), answer.text
        return answer.status_code == 200

    @property
    def session_id(self) -> str:
        return next(value for name, value in self.client.cookies.items() if "session" in name)

    @property
    def csrf(self) -> str:
        return csrf_of(self.session_id)


@dataclass
class SignInEnv:
    """`rules`: of the sign-in, with the clock."""

    api_env: ApiEnv
    clock: SteppedClock
    browsers: list[httpx2.AsyncClient] = field(default_factory=list)

    def browser(self, address: str = "192.0.2.7", root: str = f"http://{HOST}") -> Browser:
        """Return a browser that nobody has used before."""
        transport = httpx2.ASGITransport(app=api_app(self.api_env.context), client=(address, 4711))
        client = httpx2.AsyncClient(transport=transport, base_url=root)
        self.browsers.append(client)
        return Browser(client)

    async def add(self, name: str = "anna", role: str = "viewer", password: str = PASSWORD) -> None:
        now = self.clock.now()
        values = {"role": role, "numbers": False, "password_hash": hash_password(password)}
        await self.api_env.store.write(lambda connection: add_user(connection, name, now, **values))

    async def add_without_password(self, name: str = "anna") -> None:
        now = self.clock.now()
        await self.api_env.store.write(
            lambda connection: add_user(connection, name, now, role="viewer", numbers=False)
        )

    async def change(self, **changes: Any) -> None:
        """Change the user anna."""
        await self.api_env.store.write(partial(change_user, name="anna", changes=changes))

    async def link(self, user: str = "anna", *, one_click: bool = False) -> str:
        """Return path and query of a link that signs a user in once."""
        root, now = f"http://{HOST}", self.clock.now()
        link = await self.api_env.store.write(
            lambda connection: make_link(connection, root, user, now, one_click=one_click)
        )
        return link.removeprefix(f"http://{HOST}")

    async def rows(self, query: Any) -> list[Any]:
        return await self.api_env.store.read(lambda connection: list(connection.execute(query)))

    async def audited(self) -> list[tuple[str, str, str, str]]:
        """Return actor, action, object and detail of all audit records."""
        columns = (AUDIT.c[name] for name in ("actor", "action", "object", "detail"))
        return [tuple(row) for row in await self.rows(select(*columns).order_by(AUDIT.c.seq))]


@asynccontextmanager
async def open_sign_in_env(target: str, **rules: Any) -> AsyncIterator[SignInEnv]:
    """A console over this store. `rules`: of the sign-in."""
    clock = SteppedClock(T0)
    services = {SignInRules: SignInRules(clock=clock, **rules)}
    async with open_api_env(target, services=services, clock=clock) as api_env:
        env = SignInEnv(api_env, clock)
        try:
            yield env
        finally:
            for client in env.browsers:
                await client.aclose()
