"""Who may call which route: `python -m tests.http.route_access` prints the table, and exits with 1 if it is
not the expected one, or if a route of /v1 is missing from it.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from starlette.routing import Route

from receiver.app import ENDPOINTS
from receiver.http.tokens import SCOPES, TokenLimits, create_token
from receiver.outcomes.feed import STREAM_PATH
from receiver.outcomes.tables import MESSAGE
from tests.http.api_env import T0, ApiEnv, running_rig

CALLERS = ("none", "expired", "numbers", "read", "other", "own", "subscribe", "all")
"""No token; an expired one with all scopes; one with the scope `numbers`, `read`; the token for another
subscription alone; the token for the subscription alone; one with the scope `subscribe`; one with all scopes.
"""

ACCESS = """
"""

_BODIES: dict[str, dict[str, Any]] = {
    "/v1/subscriptions/{subscription}": {"name": "crm"},
    "/v1/subscriptions/{subscription}/replay": {"dead": True, "dry_run": True},
}
"""Path → body of its requests; `{}` for others. A body that lacks a field is answered with 400, which comes
after the check of access.
"""

_LAST = ("DELETE", "/v1/subscriptions/{subscription}")

Routes = tuple[tuple[str, str], ...]


def routes() -> Routes:
    """Return method and path of all routes of /v1. The one that deletes the subscription is the last."""
    found = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS} | {("GET", STREAM_PATH)}
    return tuple(sorted(found, key=lambda route: (route == _LAST, route[1], route[0])))


def expected() -> dict[tuple[str, str], list[str]]:
    """Return (method, path) → expected status by caller."""
    rows = (line.split() for line in ACCESS.strip().splitlines())
    return {(method, path): statuses for method, path, *statuses in rows}


def lines(table: dict[tuple[str, str], list[str]]) -> Iterator[str]:
    """Yield the lines of the table for people."""
    yield f"{'':6} {'':50} {' '.join(f'{caller[:9]:>9}' for caller in CALLERS)}"
    for (method, path), statuses in table.items():
        yield f"{method:6} {path:50} {' '.join(f'{status:>9}' for status in statuses)}"


@dataclass
class Visitor:
    """Calls each route with each token."""

    api_env: ApiEnv
    tokens: dict[str, str | None]
    objects: dict[str, str]

    async def statuses(self, method: str, path: str) -> list[str]:
        """Return the status by caller. The owner's call comes before those that may delete the object."""
        return [str(await self._status(method, path, self.tokens[caller])) for caller in CALLERS]

    async def _status(self, method: str, path: str, token: str | None) -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = None if method in ("GET", "DELETE") else _BODIES.get(path, {})
        url = path.format_map(self.objects)
        async with self.api_env.client.stream(method, url, headers=headers, json=body) as response:
            return response.status_code


async def visitor(api_env: ApiEnv) -> Visitor:
    """Return a visitor of a store with two subscriptions, a task, and messages about it to both."""
    ids = [await _subscribe(api_env, name) for name in ("crm", "other")]
    delivery = await api_env.hook("r1", "before", T0)
    await api_env.queue("17")
    await api_env.settled_without_after("r2")
    query = select(MESSAGE.c.seq).where(MESSAGE.c.subscription == ids[0]).limit(1)
    message = await api_env.store.read(lambda connection: connection.scalar(query))
    own, other = [await _token(api_env, name, TokenLimits(id_)) for name, id_ in zip("ab", ids, strict=True)]
    await _token(api_env, "c", TokenLimits(ids[0]))
    tokens = {
        "none": None,
        "expired": await _token(api_env, "expired", TokenLimits(None, T0 + 1)),
        **{scope: await api_env.token(scope) for scope in ("numbers", "read", "subscribe")},
        "all": await api_env.token(*SCOPES),
        "own": own,
        "other": other,
    }
    objects = {
        "subscription": ids[0],
        "message": str(message),
        "account": "main",
        "key": "r2",
        "queue_id": "17",
        "id": delivery,
        "chart": "trend",
        "relation": "tasks",
        "token": "c",
    }
    return Visitor(api_env, tokens, objects)


async def _subscribe(api_env: ApiEnv, name: str) -> str:
    body = {"name": name, "url": "https://crm.example/hook"}
    answer = await api_env.ask("/v1/subscriptions", *SCOPES, method="POST", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["subscription"]["id"])


async def _token(api_env: ApiEnv, name: str, limits: TokenLimits) -> str:
    return await api_env.store.write(
        lambda connection: create_token(connection, name, SCOPES, T0, limits),
    )


async def measured(folder: Path) -> dict[tuple[str, str], list[str]]:
    """Return (method, path) → status by caller."""
    async with running_rig(folder) as api_env:
        # A stream would never end: it ends at once when the receiver stops.
        api_env.context.closing.set()
        visiting = await visitor(api_env)
        return {route: await visiting.statuses(*route) for route in routes()}


def main() -> int:
    """Print the table. Return 1 if it is not the expected one."""
    with tempfile.TemporaryDirectory() as folder:
        table = asyncio.run(measured(Path(folder)))
    print("\n".join(lines(table)))
    wrong = [
        f"{method} {path}"
        for (method, path) in table
        if expected().get((method, path)) != table[method, path]
    ]
    gone = [f"{method} {path}" for method, path in expected().keys() - table.keys()]
    for route in wrong:
        print(f"not as expected, or missing from the table: {route}", file=sys.stderr)
    for route in gone:
        print(f"there is no such route any more: {route}", file=sys.stderr)
    return 1 if wrong or gone else 0


if __name__ == "__main__":
    sys.exit(main())
