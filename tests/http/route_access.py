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

from receiver.api import ENDPOINTS
from receiver.http.tokens import SCOPES, TokenLimits, create_token
from receiver.outcomes.feed import STREAM_PATH
from receiver.outcomes.tables import MESSAGE
from tests.http.api_env import T0, ApiEnv, running_rig

CALLERS = ("none", "expired", "numbers", "read", "other", "own", "subscribe", "all")
"""No token; an expired one with all scopes; one with the scope `numbers`, `read`; the token for another
subscription alone; the token for the subscription alone; one with the scope `subscribe`; one with all scopes.
"""

ACCESS = """
GET    /v1/analytics/attempts                                    401 401 403 200 403 403 403 200
GET    /v1/analytics/comparison                                  401 401 403 200 403 403 403 200
GET    /v1/analytics/health                                      401 401 403 200 403 403 403 200
GET    /v1/analytics/hours                                       401 401 403 200 403 403 403 200
GET    /v1/analytics/pauses                                      401 401 403 200 403 403 403 200
GET    /v1/analytics/reasons                                     401 401 403 200 403 403 403 200
GET    /v1/analytics/report                                      401 401 403 200 403 403 403 200
GET    /v1/analytics/success                                     401 401 403 200 403 403 403 200
GET    /v1/analytics/timing                                      401 401 403 200 403 403 403 200
GET    /v1/analytics/tries                                       401 401 403 200 403 403 403 200
GET    /v1/analytics/yield                                       401 401 403 200 403 403 403 200
GET    /v1/analytics/{chart}.png                                 401 401 403 200 403 403 403 200
GET    /v1/analytics/{chart}.svg                                 401 401 403 200 403 403 403 200
GET    /v1/anomalies                                             401 401 403 200 403 403 403 200
GET    /v1/audit                                                 401 401 403 403 403 403 403 200
GET    /v1/deliveries                                            401 401 403 200 403 403 403 200
GET    /v1/deliveries/{id}                                       401 401 200 403 403 403 403 200
GET    /v1/drift                                                 401 401 403 200 403 403 403 200
GET    /v1/event-types                                           401 401 403 200 403 403 403 200
GET    /v1/events                                                401 401 403 200 403 403 403 200
GET    /v1/export/{relation}                                     401 401 403 200 403 403 403 200
GET    /v1/find                                                  401 401 400 403 403 403 403 400
POST   /v1/hook-urls                                             401 401 403 403 403 403 403 400
GET    /v1/lost-hooks                                            401 401 403 200 403 403 403 200
GET    /v1/mapping                                               401 401 403 200 403 403 403 200
GET    /v1/messages/{message}                                    401 401 403 200 403 200 403 200
GET    /v1/operator-events                                       401 401 403 200 403 403 403 200
GET    /v1/outcomes                                              401 401 403 200 403 403 403 200
GET    /v1/outcomes/stream                                       401 401 403 200 403 403 403 200
POST   /v1/purge                                                 401 401 403 403 403 403 403 400
GET    /v1/queues                                                401 401 403 200 403 403 403 200
GET    /v1/queues/{account}/{queue_id}                           401 401 403 200 403 403 403 200
GET    /v1/reconciliation                                        401 401 403 200 403 403 403 200
GET    /v1/refused                                               401 401 403 200 403 403 403 200
POST   /v1/reread                                                401 401 403 403 403 403 200 200
GET    /v1/set-aside                                             401 401 403 200 403 403 403 200
POST   /v1/set-aside/retry                                       401 401 403 403 403 403 200 200
GET    /v1/settings                                              401 401 403 403 403 403 403 200
GET    /v1/status                                                401 401 403 200 403 403 403 200
GET    /v1/subscriptions                                         401 401 403 200 403 403 403 200
POST   /v1/subscriptions                                         401 401 403 403 403 403 400 400
GET    /v1/subscriptions/{subscription}                          401 401 403 200 403 200 403 200
PATCH  /v1/subscriptions/{subscription}                          401 401 403 403 403 403 200 200
GET    /v1/subscriptions/{subscription}/messages                 401 401 403 200 403 200 403 200
POST   /v1/subscriptions/{subscription}/messages/{message}/retry 401 401 403 403 403 200 200 200
GET    /v1/subscriptions/{subscription}/preview                  401 401 403 403 403 200 200 200
POST   /v1/subscriptions/{subscription}/replay                   401 401 403 403 403 403 200 200
POST   /v1/subscriptions/{subscription}/retry                    401 401 403 403 403 400 400 400
POST   /v1/subscriptions/{subscription}/rotate                   401 401 403 403 403 200 200 200
POST   /v1/subscriptions/{subscription}/test                     401 401 403 403 403 200 200 200
GET    /v1/subscriptions/{subscription}/tokens                   401 401 403 403 403 403 200 200
POST   /v1/subscriptions/{subscription}/tokens                   401 401 403 403 403 403 200 200
DELETE /v1/subscriptions/{subscription}/tokens/{token}           401 401 403 403 403 403 200 200
GET    /v1/summary                                               401 401 403 200 403 403 403 200
GET    /v1/system                                                401 401 403 200 403 403 403 200
GET    /v1/tasks                                                 401 401 403 200 403 403 403 200
POST   /v1/tasks                                                 401 401 403 403 403 403 403 400
GET    /v1/tasks/counts                                          401 401 403 200 403 403 403 200
DELETE /v1/tasks/{account}/{key}                                 401 401 403 403 403 403 403 409
GET    /v1/tasks/{account}/{key}                                 401 401 403 200 403 403 403 200
GET    /v1/tasks/{account}/{key}/story                           401 401 403 200 403 403 403 200
GET    /v1/tasks/{account}/{key}/timeline                        401 401 403 200 403 403 403 200
GET    /v1/tokens                                                401 401 403 403 403 403 403 200
POST   /v1/tokens                                                401 401 403 403 403 403 403 400
DELETE /v1/tokens/{token}                                        401 401 403 403 403 403 403 200
GET    /v1/users                                                 401 401 403 403 403 403 403 200
DELETE /v1/subscriptions/{subscription}                          401 401 403 403 403 403 200 404
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
        if path == STREAM_PATH:
            self.api_env.context.closing.set()  # else it would never end
        async with self.api_env.client.stream(method, url, headers=headers, json=body) as response:
            self.api_env.context.closing.clear()
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
