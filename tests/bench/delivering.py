"""`delivery`: how fast outcomes go out beside a bare loop, what a subscriber that hangs costs another one,
and how long it takes from an `after` hook to the signed outcome at the CRM.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from receiver.domain.hooks import HookKey, HookSigner, mint_urls, new_ref
from receiver.outcomes.event_types import example
from tests.bench import options
from tests.bench.bench_env import (
    BenchEnv,
    BenchError,
    Program,
    free_port,
    load_core,
    running,
    server_cores,
    uvicorn,
)
from tests.bench.contestants.ours import command, serve
from tests.bench.figures import Figure, Goal, Spread
from tests.bench.machine import describe
from tests.bench.report import Report, say
from tests.bench.traffic import ACCOUNT, KEY_NAME, KEY_SECRET

CONCURRENCY = 16
_SIGNER = HookSigner((HookKey(KEY_NAME, KEY_SECRET),))
_PATIENCE_S = 120.0
_KNOWN_S = 1.5
"""So long it takes until the sender knows how a subscription stands."""

Arrival = tuple[float, str, str]
"""(when, type of the event, ref)."""


def delivery(
    *,
    rounds: options.Rounds = 5,
    messages: Annotated[int, typer.Option(min=100, help="Messages that go out in a round.")] = 6_000,
    seconds: options.Seconds = 8.0,
    rate: Annotated[float, typer.Option(min=1, help="Tasks per second while delays are measured.")] = 50.0,
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """Deliveries per second ÷ a bare loop; the delay beside one that hangs ÷ alone; `after` hook → CRM."""
    ratios, beside, ends = [], [], []
    with options.bench_env(folder) as here:
        for number in range(1, rounds + 1):
            with subscriber() as port:
                ours, bare = _throughput(here, port, messages)
                quiet = _delays(here, port, seconds, rate, hanging=False)
                disturbed = _delays(here, port, seconds, rate, hanging=True)
            ratios.append(ours / bare)
            beside.append(p99(disturbed) / p99(quiet))
            ends.append(1000 * p99(quiet))
            say(
                f"round {number} of {rounds}: {ours:,.0f}/s, bare {bare:,.0f}/s, p99 {ends[-1]:.0f} ms, "
                f"beside a hanging one × {beside[-1]:.2f}"
            )
        figures = [
            Figure(Goal("deliveries per second ÷ a bare httpx2 loop", 0.6), Spread.of(ratios)),
            Figure(Goal("p99 delay beside one that hangs ÷ alone", 1.2, below=True), Spread.of(beside)),
            Figure(
                Goal("after hook → signed outcome at the CRM, p99", 1000.0, below=True),
                Spread.of(ends),
                " ms",
            ),
        ]
        settings = {
            "rounds": rounds,
            "messages": messages,
            "seconds": seconds,
            "rate": rate,
            "concurrency": CONCURRENCY,
        }
        options.conclude(Report("delivery", settings, describe(here), figures), as_json)


@contextmanager
def subscriber() -> Iterator[int]:
    """The port of a subscriber, on the load's core."""
    port = free_port()
    core = load_core()
    program = Program(
        uvicorn("tests.bench.apps.crm:crm", port), port, cores={core} if core is not None else None
    )
    with options.bench_env(None) as place, running(place, [program]):
        yield port


@dataclass
class Post:
    """A receiver, and its subscriptions by name."""

    port: int
    settings: Path
    crm: int
    api_port: int

    def subscribe(self, name: str, path: str = "hook", *more: str) -> str:
        url = f"http://127.0.0.1:{self.crm}/{path}"
        told = self._run("add", name, url, "--set", f"concurrency={CONCURRENCY}", *more)
        return str(told["subscription"]["id"])

    def change(self, what: str, subscription: str) -> None:
        self._run(what, subscription)

    def _run(self, *words: str) -> dict[str, Any]:
        done = subprocess.run(
            [*command(self.settings, "subscriptions", *words), "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BenchError(f"receiver subscriptions {words[0]}: {done.stderr[-500:]}")
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def hook(self, event: str, ref: str) -> None:
        url = mint_urls(_SIGNER, f"http://127.0.0.1:{self.port}", ACCOUNT, ref)[f"url_{event}"]
        with urllib.request.urlopen(url, timeout=10) as answer:
            answer.read()

    def arrivals(self) -> list[Arrival]:
        """What has come since they were asked for last."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.crm}/arrivals", timeout=10) as answer:
            return [(at, event, ref) for at, event, ref in json.load(answer)]


@contextmanager
def post_office(bench_env: BenchEnv, crm: int, store: str | None = None) -> Iterator[Post]:
    """A receiver on this store, or on a new one."""
    with serve(bench_env, store or str(bench_env.new_folder() / "receiver.db")) as served:
        (port,), (api_port,) = served.ports, served.api_ports
        settings = max(bench_env.folder.glob(f"*/receiver-{port}.toml"))
        yield Post(port, settings, crm, api_port)


def _throughput(bench_env: BenchEnv, crm: int, messages: int) -> tuple[float, float]:
    """Messages per second: ours, from a full outbox, and those of the bare loop."""
    with post_office(bench_env, crm) as post:
        subscription = post.subscribe("fast")
        post.change("pause", subscription)
        time.sleep(_KNOWN_S)
        for _ in range(messages // 2):  # each makes two events
            post.hook("before", new_ref())
        post.arrivals()
        time.sleep(2.0)
        post.change("resume", subscription)
        ours = _rate(_gather(post, messages))
        body = bench_env.new_folder() / "body.json"
        body.write_text(json.dumps(example("task.started")))
        words = [f"http://127.0.0.1:{crm}/hook", str(messages), str(CONCURRENCY), str(body)]
        bare = [sys.executable, "-m", "tests.bench.apps.bare_sender", *words]
        started = subprocess.Popen(bare)
        tied = server_cores(1)[0]
        if tied is not None:
            os.sched_setaffinity(started.pid, tied)
        started.wait(_PATIENCE_S)
        return ours, _rate(_gather(post, messages))


def _gather(post: Post, count: int) -> list[Arrival]:
    """All arrivals. Raises BenchError where one is missing."""
    found: list[Arrival] = []
    deadline = time.monotonic() + _PATIENCE_S
    while len(found) < count:
        if time.monotonic() > deadline:
            raise BenchError(f"only {len(found)} of {count} messages came")
        time.sleep(0.2)
        found += post.arrivals()
    return found


def _rate(arrivals: Sequence[Arrival]) -> float:
    times = sorted(at for at, *_ in arrivals)
    return len(times) / (times[-1] - times[0])


def _delays(bench_env: BenchEnv, crm: int, seconds: float, rate: float, hanging: bool) -> list[float]:
    """Seconds from each `after` hook to its signed outcome at a healthy subscriber."""
    with post_office(bench_env, crm) as post:
        if hanging:
            post.subscribe("hanging", "hang")
        subscribe_to_ends(post)
        return delays(post, seconds, rate)


def subscribe_to_ends(post: Post) -> str:
    """A healthy subscriber's subscription, known to the sender by now."""
    subscription = post.subscribe("healthy", "hook", "--set", 'filter.types=["task.finished"]')
    time.sleep(_KNOWN_S)
    return subscription


def delays(post: Post, seconds: float, rate: float) -> list[float]:
    """Seconds from each `after` hook to its outcome at the one who subscribed to ends. Raises BenchError."""
    post.arrivals()
    sent: dict[str, float] = {}
    begin = time.monotonic()
    for number in range(int(seconds * rate)):
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        ref = new_ref()
        post.hook("before", ref)
        sent[ref] = time.time()
        post.hook("after", ref)
    arrived = {ref: at for at, event, ref in _gather(post, len(sent)) if event == "task.finished"}
    if arrived.keys() != sent.keys():
        raise BenchError(f"{len(sent.keys() - arrived.keys())} outcomes did not come")
    return [arrived[ref] - at for ref, at in sent.items()]


def p99(values: Sequence[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(values, n=100)[98]
