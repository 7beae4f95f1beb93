"""`python -m tests.e2e.delivery`: kill −9 the receiver again and again while it delivers, at each step of
claim, post and settle, and see that every outcome reached the CRM, in order within its task, always under the
same id.
"""

import sqlite3
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any, Literal

import orjson
from standardwebhooks import Webhook

from receiver.domain.hooks import new_ref
from receiver.outcomes import subscription_endpoints
from receiver.outcomes.params import SubscriptionBody
from receiver.outcomes.signing import new_secret
from tests.e2e.alone import hook_url, write_settings
from tests.e2e.processes import Served
from tests.e2e.report import parser_of, tell
from tests.e2e.unfinished import UNFINISHED

Step = Literal["claim", "post", "settle", "any"]
STEPS: tuple[Step, ...] = ("claim", "post", "settle", "any")
_PATIENCE_S = 60.0


@dataclass
class Crm:
    """A subscriber that keeps every request; `asked` and `answered`: before and after it has answered one."""

    secret: str
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    answered: threading.Event = field(default_factory=threading.Event)
    server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    def take(self, headers: dict[str, str], body: bytes) -> None:
        """Raises WebhookVerificationError."""
        Webhook(self.secret).verify(body, headers)
        self.received.append((headers["webhook-id"], orjson.loads(body)))
        self.asked.set()


@contextmanager
def open_crm(secret: str) -> Iterator[Crm]:
    crm = Crm(secret)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            crm.take({name.lower(): value for name, value in self.headers.items()}, body)
            time.sleep(0.002)
            self.send_response(204)
            self.send_header("content-length", "0")
            self.end_headers()
            crm.answered.set()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A receiver that is killed breaks its connections off."""

    crm.server = Server(("127.0.0.1", 0), Handler)
    crm.server.daemon_threads = True
    thread = threading.Thread(target=crm.server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield crm
    finally:
        crm.server.shutdown()
        thread.join()
        crm.server.server_close()


@dataclass(frozen=True)
class Outcome:
    """What came of it. `missing`: outcomes in the store that the CRM never got; `unordered`: tasks of which
    it got one for the first time before one that precedes it; `renamed`: events that came under two ids.
    """

    kills: int
    outcomes: int
    delivered: int
    missing: tuple[str, ...]
    unordered: tuple[str, ...]
    renamed: int
    twice: int

    @property
    def is_good(self) -> bool:
        return not (self.missing or self.unordered or self.renamed) and self.outcomes == self.delivered > 0


def run(folder: Path, tasks: int, kills: int, seed: int) -> Outcome:
    """Hooks of so many tasks, and a receiver that is killed so often while it delivers."""
    rng, store, secret = Random(seed), folder / "receiver.db", new_secret()
    config = write_settings(folder, store)
    served = Served(config)
    with open_crm(secret) as crm:
        served.start()
        try:
            _subscribe(config, crm)
            for number in range(kills + 1):
                _send_hooks(served, tasks // (kills + 1))
                if number < kills:
                    _kill_at(served, crm, STEPS[number % len(STEPS)], rng)
                    time.sleep(0.1)
                    served.start()
            _wait_until_delivered(store)
        finally:
            served.stop()
        return _judge(store, crm, kills)


def _subscribe(config: Path, crm: Crm) -> None:
    from receiver.cli.local_api import ask
    from receiver.http.endpoint import Params

    body = SubscriptionBody(name="crm", url=crm.url, secret=crm.secret, concurrency=8)
    ask(subscription_endpoints.add_subscription, Params(), {}, config, body=body)


def _send_hooks(served: Served, tasks: int) -> None:
    for _ in range(tasks):
        ref = new_ref()
        for event in ("before", "after"):
            with urllib.request.urlopen(hook_url(served.url, ref, event), timeout=10) as answer:
                answer.read()


def _kill_at(served: Served, crm: Crm, step: Step, rng: Random) -> None:
    """Kill it after a claim, while a request is at the CRM, right after its answer, or whenever."""
    if step == "post":
        crm.asked.clear()
        crm.asked.wait(1.0)
    elif step == "settle":
        crm.answered.clear()
        crm.answered.wait(1.0)
    else:
        time.sleep(rng.uniform(0.0, 0.15 if step == "claim" else 0.6))
    served.kill()


def _wait_until_delivered(store: Path) -> None:
    """Until nothing is left to read, to fold or to deliver. Raises TimeoutError."""
    deadline = time.monotonic() + 2 * _PATIENCE_S
    query = f"{UNFINISHED} + (SELECT count(*) FROM message WHERE state = 'waiting')"
    while time.monotonic() < deadline:
        if _ask(store, query)[0][0] == 0:
            return
        time.sleep(0.2)
    raise TimeoutError("not everything was delivered")


def _ask(store: Path, query: str) -> Sequence[tuple[Any, ...]]:
    with closing(sqlite3.connect(store, timeout=10)) as connection:
        return connection.execute(query).fetchall()


def _judge(store: Path, crm: Crm, kills: int) -> Outcome:
    rows = _ask(store, "SELECT id, key, type FROM outcome ORDER BY seq")
    wanted: dict[str, list[str]] = defaultdict(list)
    for event, key, _ in rows:
        wanted[key].append(event)
    seen = Counter(event for event, _ in crm.received)
    firsts: dict[str, list[str]] = defaultdict(list)
    names: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    for event, told in crm.received:
        data = told["data"]
        if event not in firsts[data["ref"]]:
            firsts[data["ref"]].append(event)
        names[data["ref"], told["type"], data["attempts"]].add(event)
    return Outcome(
        kills,
        len(rows),
        len({event for event, *_ in rows} & seen.keys()),
        tuple(event for event, *_ in rows if event not in seen),
        tuple(key for key, events in wanted.items() if firsts[key] != events),
        sum(1 for each in names.values() if len(each) > 1),
        sum(count - 1 for count in seen.values()),
    )


def main() -> int:
    parser = parser_of("tests.e2e.delivery", __doc__)
    parser.add_argument("--tasks", type=int, default=600)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(Path(folder), options.tasks, options.kills, options.seed)
    return tell(
        {
            "kills": outcome.kills,
            "outcomes": outcome.outcomes,
            "delivered": outcome.delivered,
            "missing": len(outcome.missing),
            "out of order": len(outcome.unordered),
            "under another id": outcome.renamed,
            "sent twice": outcome.twice,
        },
        good=outcome.is_good,
        as_json=options.json,
    )


if __name__ == "__main__":
    sys.exit(main())
