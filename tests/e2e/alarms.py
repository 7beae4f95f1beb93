"""`python -m tests.e2e.alarms [FAULT …]`: faults made on purpose, and the alert that each must fire in a real
Prometheus, with our rules so many times as quick. No other page may fire meanwhile.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from receiver.domain.hooks import HookKey, HookSigner, mint_urls
from tests.e2e.outage import stop_server
from tests.e2e.processes import Town, free_port
from tests.e2e.report import parser_of, tell
from tests.operators.debian import Tools, find_tools
from tests.operators.prometheus import Prometheus, Sped, Watch, running_prometheus
from tests.postgres import fresh_database, started_server

_SIGNER = HookSigner((HookKey("k1", "s" * 40),))
_DAY_S = 86_400.0
_WELL_S = 6.0
"""How long all is watched before the fault: nothing may fire."""

_AFTER_S = 3.0
"""How long it is watched after the alert: nothing else may page."""


class Site(Town):
    """A receiver that keeps the time of the wall, with an emulator."""

    def _settings(self) -> str:
        return f"""
port = {self.port}
store = "{self.store}"
log_level = "error"
{self._account()}[api]
port = {self.served.api_port}
[reconcile]
sweep_every_s = 5
poll_s = 2
[delivery]
allowed_networks = ["127.0.0.0/8"]
"""


class Hooks:
    """Five hooks a second, each of a task of its own, until they are cut."""

    def __init__(self, url: str) -> None:
        self._url, self._cut = url, threading.Event()
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)

    def __enter__(self) -> "Hooks":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.cut()
        self._thread.join()

    def cut(self) -> None:
        self._cut.set()

    def _run(self) -> None:
        number = 0
        with httpx2.Client(base_url=self._url, timeout=30) as http:
            while not self._cut.wait(0.2):
                number += 1
                path = mint_urls(_SIGNER, "", "main", f"alarm-{time.time_ns()}-{number}")["url_before"]
                http.post(path, json={"task_id": number})


@dataclass(frozen=True)
class Scene:
    """What a fault has to do with."""

    site: Site
    hooks: Hooks
    stack: ExitStack
    stop_store: Callable[[], None] | None = None


@dataclass(frozen=True)
class Fault:
    """`alert` must fire `within_s` seconds of life. `also`: pages that may as well, since they are about the
    same. `factor`: so many times quicker than in life; `ages`: alerts whose limits are ages.
    """

    about: str
    make: Callable[[Scene], None]
    alert: str
    within_s: float
    also: frozenset[str] = frozenset()
    factor: float = 60.0
    ages: tuple[str, ...] = ()
    on_postgres: bool = False
    ahead_s: float = 0.0
    """How far the scheduler's clock is ahead from the beginning."""


def _stop_store(scene: Scene) -> None:
    assert scene.stop_store is not None
    scene.stop_store()


def _cut_hooks(scene: Scene) -> None:
    scene.hooks.cut()


def _subscribe_nobody(scene: Scene) -> None:
    scene.site.run("subscriptions", "add", "nobody", f"http://127.0.0.1:{free_port()}/outcomes")


def _break_api(scene: Scene) -> None:
    emulator, port = scene.site.emulator, urlsplit(scene.site.emulator_url).port
    assert emulator is not None
    assert port is not None
    emulator.kill()
    emulator.wait()
    scene.stack.enter_context(_always_503(port))


def _nothing(_scene: Scene) -> None:
    """It was there from the beginning."""


FAULTS: dict[str, Fault] = {
    "store": Fault(
        "PostgreSQL is stopped",
        _stop_store,
        "IntakeErrorBudgetBurn",
        within_s=300,
        on_postgres=True,
    ),
    "hooks": Fault("no hook comes any more", _cut_hooks, "IntakeSilent", within_s=900 + 300),
    "subscriber": Fault(
        "nobody listens at a subscriber's address",
        _subscribe_nobody,
        "DeliveryStalled",
        within_s=3600 + 600,
        ages=("DeliveryStalled",),
    ),
    "api": Fault(
        "the scheduler's API answers 503",
        _break_api,
        "SchedulerApiFailing",
        within_s=600,
        also=frozenset({"ReconcileStale"}),
        factor=10.0,
        ages=("ReconcileStale",),
    ),
    "reconciliation": Fault(
        "the scheduler's API answers 503, and goes on to",
        _break_api,
        "ReconcileStale",
        within_s=900 + 300,
        factor=30.0,
        ages=("ReconcileStale",),
    ),
    "clock": Fault(
        "the scheduler's clock is a minute ahead", _nothing, "ClockSkew", within_s=300, ahead_s=60.0
    ),
}


@dataclass
class Outcome:
    """`took_s`: until the alert fired, seconds of the machine; None where it did not."""

    alert: str
    took_s: float | None = None
    limit_s: float = 0.0
    early: set[str] = field(default_factory=set)
    other_pages: set[str] = field(default_factory=set)

    @property
    def is_good(self) -> bool:
        return self.took_s is not None and not self.early and not self.other_pages


def run(fault: Fault, tools: Tools, folder: Path) -> Outcome:
    """Make the fault and watch."""
    with ExitStack() as stack:
        scene = _set_up(fault, folder, stack)
        target = f"127.0.0.1:{scene.site.served.api_port}"
        (data := folder / "prometheus").mkdir()
        watch = Watch([target], Sped(fault.factor, fault.ages), history=_yesterday(target, fault.factor))
        prometheus = stack.enter_context(running_prometheus(tools, data, watch))
        return _watched(fault, scene, prometheus)


def _set_up(fault: Fault, folder: Path, stack: ExitStack) -> Scene:
    store, stop_store = "", None
    if fault.on_postgres:
        server = started_server(folder)
        stack.callback(server.cleanup)
        store = fresh_database(server.get_uri(driver="psycopg"))
        stop_store = lambda: stop_server(server)  # noqa: E731 - it is one thing of the scene
    site = Site(folder, speed=1.0, faults="none", store=store)
    stack.callback(site.stop)
    site.start_emulator(fault.ahead_s)
    site.start_receiver()
    return Scene(site, stack.enter_context(Hooks(site.served.url)), stack, stop_store)


def _watched(fault: Fault, scene: Scene, prometheus: Prometheus) -> Outcome:
    # What an alert takes to be seen is not quicker: a scrape, a look at the tables every 15 s, an evaluation.
    outcome = Outcome(fault.alert, limit_s=fault.within_s / fault.factor + 25)
    # It takes five seconds until it looks for its targets, which are minutes of life.
    assert prometheus.becomes(lambda it: bool(it.query("up == 1")) and not it.firing("page"), 30)
    if fault.make is not _nothing:
        time.sleep(_WELL_S)
        outcome.early = prometheus.firing("page") | (prometheus.firing() & {fault.alert})
    fault.make(scene)
    began, until = time.monotonic(), time.monotonic() + outcome.limit_s
    while time.monotonic() < until:
        if outcome.took_s is None and fault.alert in prometheus.firing():
            outcome.took_s, until = round(time.monotonic() - began, 1), time.monotonic() + _AFTER_S
        outcome.other_pages |= prometheus.firing("page") - {fault.alert} - fault.also
        time.sleep(0.3)
    return outcome


def _yesterday(target: str, factor: float) -> str:
    """Ten hooks a second at this time yesterday, for a Prometheus whose days are that much shorter."""
    name, begin = "callback_intake_requests", time.time() - _DAY_S / factor - 60
    labels = f'job="receiver",instance="{target}",event="before",outcome="recorded"'
    lines = [f"{name}_total{{{labels}}} {10 * n} {begin + n:.0f}" for n in range(400)]
    return "\n".join([f"# TYPE {name} counter", *lines, "# EOF", ""])


@contextmanager
def _always_503(port: int) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the library's names

        def log_message(self, *_arguments: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def main() -> int:
    parser = parser_of("tests.e2e.alarms", __doc__)
    parser.add_argument("faults", nargs="*", choices=[[], *FAULTS], default=[], help="default: all of them")
    options = parser.parse_args()
    tools, said, good = find_tools(), {}, True
    for name in options.faults or FAULTS:
        with tempfile.TemporaryDirectory(prefix="alarm-") as folder:
            outcome = run(FAULTS[name], tools, Path(folder))
        good = good and outcome.is_good
        took = "never" if outcome.took_s is None else f"after {outcome.took_s} s"
        others = ", ".join(sorted(outcome.other_pages | outcome.early)) or "none"
        said[name] = f"{outcome.alert} {took} of at most {outcome.limit_s:.0f}; other pages: {others}"
        sys.stderr.write(f"{name}: {said[name]}\n")
    return tell(said, good=good, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
