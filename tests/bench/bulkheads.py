"""`bulkheads`: what heavy analytics requests cost deliveries; `crowd`: what a key that gets far too many
hooks costs the others.
"""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

from receiver.http.tokens import create_token
from receiver.storage.engine import Store
from tests.bench import options, year_stores
from tests.bench.bench_env import ROOT, BenchError, load_core
from tests.bench.delivering import delays, p99, post_office, subscribe_to_ends, subscriber
from tests.bench.figures import Figure, Goal, Spread, by_contestant
from tests.bench.load import Order
from tests.bench.machine import describe
from tests.bench.report import Report, say
from tests.bench.rounds import Plan, Sample, Session, race
from tests.bench.year import FIRST, LAST, LEAST

_ODD_ZONE = "Asia/Kathmandu"
"""Its days begin within an hour of UTC, so that no sums serve and all tasks are read, in Python."""

_CROWDED, _SCATTERED = ", one key crowded", ", as many hooks to keys of their own"
_ANSWER_S = 120.0


def bulkheads(
    *,
    rounds: options.Rounds = 5,
    tasks: Annotated[int, typer.Option(min=LEAST, help="Tasks in the database.")] = 1_000_000,
    heavy: Annotated[int, typer.Option(min=1, help="Heavy analytics requests at the same time.")] = 4,
    zone: Annotated[str, typer.Option(help="Whose days the heavy requests ask for.")] = _ODD_ZONE,
    seconds: options.Seconds = 8.0,
    rate: Annotated[float, typer.Option(min=1, help="Tasks per second.")] = 50.0,
    keep: Annotated[
        Path | None,
        typer.Option(help="Where the filled database is kept for another time."),
    ] = None,
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """p99 from an `after` hook to its outcome at the CRM, beside heavy requests ÷ alone (SQLite)."""
    ratios, alone_ms = [], []
    with options.bench_env(folder) as here:
        store = year_stores.on_sqlite(keep or here.folder, tasks, say)
        for number in range(1, rounds + 1):
            with subscriber() as crm, post_office(here, crm, store) as post:
                subscription = subscribe_to_ends(post)
                alone = p99(delays(post, seconds, rate))
                with _asking(store, post.api_port, heavy, zone) as statuses:
                    beside = p99(delays(post, seconds, rate))
                post.change("pause", subscription)
            ratios.append(beside / alone)
            alone_ms.append(1000 * alone)
            say(
                f"round {number} of {rounds}: p99 {alone_ms[-1]:.0f} ms, beside {heavy} heavy requests "
                f"× {ratios[-1]:.2f}; their answers: {dict(statuses)}"
            )
        name = f"delivery p99 beside {heavy} heavy analytics requests ÷ alone (SQLite, {tasks:,} tasks)"
        figures = [
            Figure(Goal(name, 1.5, below=True), Spread.of(ratios)),
            Figure(Goal("delivery p99 alone"), Spread.of(alone_ms), " ms"),
        ]
        settings = {
            "rounds": rounds,
            "tasks": tasks,
            "heavy": heavy,
            "zone": zone,
            "seconds": seconds,
            "rate": rate,
        }
        options.conclude(Report("bulkheads", settings, describe(here), figures), as_json)


@contextmanager
def _asking(store: str, port: int, clients: int, zone: str) -> Iterator[Counter[str]]:
    """Clients that ask again as soon as they are answered; status → answers. Raises BenchError for answers
    other than 200 and 503, which says that as many as may are under way.
    """
    with closing(Store(store)) as opened, opened.transaction() as connection:
        token = create_token(connection, f"bench-{time.time_ns()}", ["read"], time.time())
    asked = {"by": "day,queue", "zone": zone, "since": FIRST.isoformat(), "until": LAST.isoformat()}
    path, stop, statuses = f"/v1/analytics/success?{urlencode(asked)}", threading.Event(), Counter[str]()

    def ask() -> None:
        while not stop.is_set():
            with closing(HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)) as client:
                client.request("GET", path, headers={"Authorization": f"Bearer {token}"})
                answer = client.getresponse()
                answer.read()
                statuses[str(answer.status)] += 1
                stop.wait(0.05 if answer.status == 503 else 0)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    try:
        yield statuses
    finally:
        stop.set()
        for thread in threads:
            thread.join(_ANSWER_S)
    if statuses.keys() - {"200", "503"}:
        raise BenchError(f"heavy requests were answered {dict(statuses)}")


def crowd(
    *,
    rounds: options.Rounds = 5,
    hooks: Annotated[int, typer.Option(min=100, help="Hooks to one key.")] = 100_000,
    flood: Annotated[float, typer.Option(min=10, help="Of these so many per second.")] = 2_500.0,
    rate: Annotated[
        float, typer.Option(min=10, help="Other hooks per second, which are measured.")
    ] = 1_000.0,
    warmup: options.Warmup = 1.0,
    connections: options.Connections = 64,
    scattered: Annotated[
        bool, typer.Option(help="Measure beside as many hooks to keys of their own, too.")
    ] = False,
    only: options.Only = "",
    seed: options.Seed = 1,
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """p99 of hooks in an open loop while one key gets very many hooks ÷ alone."""
    plan = Plan(rounds, hooks / flood, warmup, connections, seed)
    kinds = {_CROWDED: "crowded"} | ({_SCATTERED: "minted"} if scattered else {})

    def act(session: Session, number: int, plan: Plan) -> list[Sample]:
        pool = int(rate * (plan.seconds + plan.warmup)) + connections
        samples = [session.run(number, plan, rate=rate, pool=pool)]
        for name, kind in kinds.items():
            with _flood(session, plan, hooks, kind):
                beside = session.run(number, plan, rate=rate, pool=pool)
            samples.append(replace(beside, contestant=beside.contestant + name))
        return samples

    with options.bench_env(folder) as here:
        outcome = race(here, options.chosen(only, ("receiver-sqlite",)), plan, say, act)
        settings = asdict(plan) | {"hooks": hooks, "flood": flood, "rate": rate}
        figures = list(_ratios(outcome.samples, hooks))
        options.conclude(Report("crowd", settings, describe(here), figures, outcome), as_json)


@contextmanager
def _flood(session: Session, plan: Plan, hooks: int, kind: str) -> Iterator[None]:
    """Another load beside that which is measured. Raises BenchError where not all is acknowledged.

    Its client shares a core with the client that measures, and gives way to it: waiting for each other they
    would count as waiting for the receiver.
    """
    folder = session.bench_env.new_folder()
    path = folder / "flood.json"
    Order(
        ports=session.stand.ports,
        traffic=replace(session.stand.traffic, kind=kind),
        acknowledged=str(folder / "flood.txt"),
        pool=hooks,
        seed=plan.seed * 7_919 + session.runs,
        seconds=2 * plan.seconds + 60.0,
        warmup=0.0,
        connections=plan.connections,
        rate=hooks / plan.seconds,
        core=load_core(),
    ).write(path)
    command = ["nice", "-n", "19", sys.executable, "-m", "tests.bench.load", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        yield
        told, _ = process.communicate(timeout=2 * plan.seconds + 180.0)
    report = json.loads(told)
    if report["acknowledged"] != hooks:
        raise BenchError(f"only {report['acknowledged']} of {hooks} hooks were acknowledged: {report}")


def _ratios(samples: list[Sample], hooks: int) -> Iterator[Figure]:
    found = by_contestant(samples)
    for name, alone in found.items():
        for other, what in ((_CROWDED, f"while one key gets {hooks:,} hooks"), (_SCATTERED, _SCATTERED[2:])):
            pairs = zip(found.get(name + other, ()), alone, strict=False)
            ratios = [one.latency_ms["p99"] / two.latency_ms["p99"] for one, two in pairs]
            if ratios:
                limit = 1.3 if other == _CROWDED else None
                yield Figure(Goal(f"hooks' p99 {what} ÷ alone, {name}", limit, below=True), Spread.of(ratios))
