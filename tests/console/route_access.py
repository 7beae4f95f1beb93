"""Who may open which page and send which form: `python -m tests.console.route_access` prints the table, and
exits with 1 if it is not the expected one, or if a route of the console is missing from it.
"""

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from starlette.routing import Route

from receiver.api import ENDPOINTS
from receiver.console.live import STREAM_PATH
from receiver.console.sign_in.session_sql import start_session
from receiver.console.site import console_routes
from receiver.http.tokens import hash_secret
from tests.console.page_env import PageEnv
from tests.http.api_env import ApiEnv, running_rig
from tests.http.route_access import Routes, visitor

CALLERS = ("none", "other", "own", "viewer", "operator", "admin", "all")
"""Not signed in; signed in with the token for another subscription alone, or for this one alone; users
of a role; an administrator who sees numbers.
"""

ACCESS = """
GET  /console                                                           sign-in 303 303 200 200 200 200
GET  /console/analytics                                                 sign-in 403 403 200 200 200 200
GET  /console/analytics/report.html                                     sign-in 403 403 200 200 200 200
GET  /console/analytics/{chart}.svg                                     sign-in 403 403 200 200 200 200
GET  /console/analytics/{measure}.csv                                   sign-in 403 403 200 200 200 200
GET  /console/captures                                                  sign-in 403 403 200 200 200 200
GET  /console/captures/mapping                                          sign-in 403 403 200 200 200 200
GET  /console/captures/refused                                          sign-in 403 403 200 200 200 200
GET  /console/captures/reread                                           sign-in 403 403 403 200 200 200
GET  /console/captures/{id}                                             sign-in 403 403 403 403 403 200
GET  /console/export/{relation}                                         sign-in 403 403 200 200 200 200
GET  /console/queues                                                    sign-in 403 403 200 200 200 200
GET  /console/queues/{account}/{queue_id}                               sign-in 403 403 200 200 200 200
GET  /console/reconciliation                                            sign-in 403 403 200 200 200 200
GET  /console/reconciliation/anomalies                                  sign-in 403 403 200 200 200 200
GET  /console/reconciliation/drift                                      sign-in 403 403 200 200 200 200
GET  /console/reconciliation/lost-hooks                                 sign-in 403 403 200 200 200 200
GET  /console/reconciliation/set-aside                                  sign-in 403 403 200 200 200 200
GET  /console/sign-in                                                   200     303 303 303 303 303 303
GET  /console/sign-in/link                                              410     303 303 303 303 303 303
GET  /console/sign-in/oidc                                               404     404 404 404 404 404 404
GET  /console/sign-in/oidc/callback                                      404     404 404 404 404 404 404
GET  /console/static/{name}                                             200     200 200 200 200 200 200
GET  /console/stream                                                    401     403 403 200 200 200 200
GET  /console/subscriptions                                             sign-in 403 403 200 200 200 200
GET  /console/subscriptions/new                                         sign-in 403 403 403 200 200 200
GET  /console/subscriptions/{subscription}                              sign-in 403 200 200 200 200 200
GET  /console/subscriptions/{subscription}/change                       sign-in 403 403 403 200 200 200
GET  /console/subscriptions/{subscription}/messages/{message}           sign-in 403 200 200 200 200 200
GET  /console/subscriptions/{subscription}/preview                      sign-in 403 200 403 200 200 200
GET  /console/subscriptions/{subscription}/remove                       sign-in 403 403 403 200 200 200
GET  /console/subscriptions/{subscription}/resend                       sign-in 403 403 403 200 200 200
GET  /console/subscriptions/{subscription}/retry                        sign-in 403 200 403 200 200 200
GET  /console/subscriptions/{subscription}/rotate                       sign-in 403 200 403 200 200 200
GET  /console/subscriptions/{subscription}/tokens/new                   sign-in 403 403 403 200 200 200
GET  /console/subscriptions/{subscription}/tokens/{token}/revoke        sign-in 403 403 403 200 200 200
GET  /console/system                                                    sign-in 403 403 200 200 200 200
GET  /console/system/audit                                              sign-in 403 403 403 200 200 200
GET  /console/system/events                                             sign-in 403 403 200 200 200 200
GET  /console/system/settings                                           sign-in 403 403 403 200 200 200
GET  /console/system/tokens                                             sign-in 403 403 403 403 200 200
GET  /console/system/tokens/{token}/revoke                              sign-in 403 403 403 403 200 200
GET  /console/system/users                                              sign-in 403 403 403 403 200 200
GET  /console/tasks                                                     sign-in 403 403 200 200 200 200
GET  /console/tasks/{account}/{key}                                     sign-in 403 403 200 200 200 200
GET  /console/{rest:path}                                               sign-in 404 404 404 404 404 404
POST /console/captures/reread/preview                                   sign-in 403 403 403 200 200 200
POST /console/captures/reread/run                                       sign-in 403 403 403 303 303 303
POST /console/preferences                                               sign-in 303 303 303 303 303 303
POST /console/reconciliation/set-aside/retry                            sign-in 403 403 403 303 303 303
POST /console/sign-in                                                   400     400 400 400 400 400 400
POST /console/sign-in/link                                              410     410 410 410 410 410 410
POST /console/sign-out                                                  sign-in 303 sign-in 303 303 303 303
POST /console/subscriptions/new                                         sign-in 403 403 403 400 400 400
POST /console/subscriptions/{subscription}/change                       sign-in 403 403 403 400 400 400
POST /console/subscriptions/{subscription}/messages/{message}/retry     sign-in 403 303 403 303 303 303
POST /console/subscriptions/{subscription}/pause                        sign-in 403 403 403 303 303 303
POST /console/subscriptions/{subscription}/resend                       sign-in 403 403 403 200 200 200
POST /console/subscriptions/{subscription}/resume                       sign-in 403 403 403 303 303 303
POST /console/subscriptions/{subscription}/retry                        sign-in 403 303 403 303 303 303
POST /console/subscriptions/{subscription}/rotate                       sign-in 403 200 403 200 200 200
POST /console/subscriptions/{subscription}/test                         sign-in 403 303 403 303 303 303
POST /console/subscriptions/{subscription}/tokens/new                   sign-in 403 403 403 200 200 200
POST /console/subscriptions/{subscription}/tokens/{token}/revoke        sign-in 403 403 403 303 303 303
POST /console/system/tokens/create                                      sign-in 403 403 403 403 200 200
POST /console/system/tokens/{token}/revoke                              sign-in 403 403 403 403 303 303
POST /console/tasks/{account}/{key}/resend                              sign-in 403 403 403 400 400 400
POST /console/tasks/{account}/{key}/retry                               sign-in 403 403 403 404 404 404
POST /console/{rest:path}                                               sign-in 404 404 404 404 404 404
POST /console/subscriptions/{subscription}/remove                       sign-in 403 403 403 303 404 404
"""

_ROLES = {"viewer": "viewer", "operator": "operator", "admin": "admin", "all": "admin+numbers"}

_LAST = (("POST", "/console/subscriptions/{subscription}/remove"), ("POST", "/console/sign-out"))
"""Routes after which others would be answered otherwise."""

_FORMS: dict[str, dict[str, str]] = {
    "/console/subscriptions/{subscription}/resend": {"dead": "on"},
    "/console/subscriptions/{subscription}/retry": {"what": "dead"},
    "/console/subscriptions/{subscription}/rotate": {"overlap_s": "60"},
}
"""Path → fields of its form; none for others, which may be answered with 400."""

_PLACES = {
    "name": "console.css",
    "rest": "nowhere",
    "reference": "r2",
    "measure": "success",
    "chart": "yield",
    "relation": "tasks",
}


def routes(api_env: ApiEnv) -> Routes:
    """Return method and path of all routes of the console. Those that take away what others need are last."""
    found = set()
    for route in console_routes(api_env.context, ENDPOINTS):
        assert isinstance(route, Route)
        found |= {(method, route.path) for method in route.methods or () if method != "HEAD"}
    return (*sorted(found - set(_LAST)), *_LAST)


def expected() -> dict[tuple[str, str], list[str]]:
    """Return (method, path) → expected answer by caller."""
    rows = (line.split() for line in ACCESS.strip().splitlines())
    return {(method, path): answers for method, path, *answers in rows}


@dataclass
class Callers:
    """Opens each page and sends each form as each caller."""

    pages: PageEnv
    objects: dict[str, str]
    tokens: dict[str, str] = field(default_factory=dict)

    async def answers(self, method: str, path: str) -> list[str]:
        """Return the answer by caller: a status, or `sign-in`."""
        return [await self._answer(method, path, caller) for caller in CALLERS]

    async def _answer(self, method: str, path: str, caller: str) -> str:
        own_path = path.removeprefix("/console").replace(":path}", "}").format_map(self.objects)
        session = await self._session(caller)
        closing = self.pages.api_env.context.closing
        if path == STREAM_PATH:
            closing.set()  # else it would never end
        if method == "GET":
            answer = await self.pages.get_by(session, own_path)
        else:
            answer = await self.pages.post_by(session, own_path, _FORMS.get(path, {}))
        closing.clear()
        location = answer.headers.get("location", "")
        if location.startswith("/console/sign-in") and "set-cookie" not in answer.headers:
            return "sign-in"
        return f"{answer.status_code}"

    async def _session(self, caller: str) -> str | None:
        if caller in _ROLES:
            return await self.pages.session(_ROLES[caller])
        if caller == "none":
            return None
        start = partial(start_session, now=time.time(), token_hash=hash_secret(self.tokens[caller]))
        return await self.pages.api_env.store.write(start)


async def objects_of(api_env: ApiEnv) -> dict[str, str]:
    """Return the parameters of paths, in a new store with what they name."""
    return (await visitor(api_env)).objects | _PLACES


async def measured(folder: Path) -> dict[tuple[str, str], list[str]]:
    """Return (method, path) → answer by caller."""
    async with running_rig(folder) as api_env:
        visiting = await visitor(api_env)
        tokens = {name: token for name, token in visiting.tokens.items() if token}
        callers = Callers(PageEnv(api_env), visiting.objects | _PLACES, tokens)
        return {route: await callers.answers(*route) for route in routes(api_env)}


def lines(table: dict[tuple[str, str], list[str]]) -> list[str]:
    """Return the lines of the table for people."""
    head = f"{'':71} {' '.join(CALLERS)}"
    rows = [
        f"{method:4} {path:66} {first:7} {' '.join(rest)}" for (method, path), (first, *rest) in table.items()
    ]
    return [head, *rows]


def main() -> int:
    """Print the table. Return 1 if it is not the expected one."""
    with tempfile.TemporaryDirectory() as folder:
        table = asyncio.run(measured(Path(folder)))
    print("\n".join(lines(table)))
    changed = [route for route in table if expected().get(route) != table[route]]
    gone = expected().keys() - table.keys()
    for method, path in changed:
        print(f"not as expected, or missing from the table: {method} {path}", file=sys.stderr)
    for method, path in sorted(gone):
        print(f"there is no such route any more: {method} {path}", file=sys.stderr)
    return 1 if changed or gone else 0


if __name__ == "__main__":
    sys.exit(main())
