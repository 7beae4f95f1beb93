"""Pages and forms of the console without a browser, over the store of an `api_env`."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import httpx2
from sqlalchemy import Connection, insert

from receiver.console.sign_in.session import csrf_of
from receiver.console.sign_in.session_sql import start_session
from receiver.console.sign_in.tables import CONSOLE_USER
from tests.http.api_env import ApiEnv

NUMBERS = "+numbers"
"""Stands behind the role of a user who sees phone numbers."""


def add_session(connection: Connection, role: str) -> str:
    """Store a user with this role, whose name it is, and a session. Return the id of the session."""
    now, (name, numbers, _) = time.time(), role.partition(NUMBERS)
    values = {"name": role, "role": name, "numbers": bool(numbers), "created_at": now}
    connection.execute(insert(CONSOLE_USER).values(values))
    return start_session(connection, now, user=role)


class PageEnv:
    """The console as users see it over HTTP. A user's role is such as `viewer` or `operator+numbers`."""

    def __init__(self, api_env: ApiEnv) -> None:
        self.api_env = api_env
        self._sessions: dict[str, str] = {}

    async def get(
        self, path: str, role: str = "operator+numbers", language: str = "en", **query: Any
    ) -> httpx2.Response:
        """Return the answer to a request for a page; `path`: below /console."""
        return await self.get_by(await self.session(role), path, language, query)

    async def get_by(
        self, session: str | None, path: str, language: str = "en", query: Mapping[str, Any] | None = None
    ) -> httpx2.Response:
        """Return the answer to a request in a session; None: nobody is signed in."""
        headers = {**_cookie(session), "Accept-Language": language}
        return await self.api_env.client.get(f"/console{path}", headers=headers, params=query or None)

    async def page(self, path: str, role: str = "operator+numbers", **options: Any) -> str:
        """Return the text of a page that must be shown."""
        answer = await self.get(path, role, **options)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def post(self, path: str, role: str = "operator+numbers", **form: str) -> httpx2.Response:
        """Return the answer to a form of a page of ours."""
        return await self.post_by(await self.session(role), path, form)

    async def post_by(self, session: str | None, path: str, form: Mapping[str, str]) -> httpx2.Response:
        """Return the answer to a form that a page of this session sends; None: nobody is signed in."""
        headers = {**_cookie(session), "Sec-Fetch-Site": "same-origin"}
        fields = {"csrf": csrf_of(session or ""), **form}
        return await self.api_env.client.post(f"/console{path}", headers=headers, data=fields)

    async def session(self, role: str) -> str:
        """Return the id of a session of a user with this role."""
        if role not in self._sessions:
            self._sessions[role] = await self.api_env.store.write(partial(add_session, role=role))
        return self._sessions[role]


def _cookie(session: str | None) -> dict[str, str]:
    return {"Cookie": f"receiver_session={session}"} if session else {}
