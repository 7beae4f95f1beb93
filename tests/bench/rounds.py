"""Rounds: the contestants take turns, in another order each time, so that a noisy minute hits all alike."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from tests.bench.bench_env import ROOT, BenchEnv, BenchError, StartError, cpu_seconds, load_core
from tests.bench.contestants.contestant import Contestant, Stand
from tests.bench.load import Order
from tests.bench.verify import Verdict, verify

Say = Callable[[str], None]
"""Told of progress."""

_REPEATED = 20_000
"""Requests that are sent over and over to those who store nothing."""

_LOAD_S = 300.0
_CATCH_UP_S = 300.0
_TOO_BUSY = 0.95


@dataclass(frozen=True)
class Plan:
    """How to measure. Seconds."""

    rounds: int = 5
    seconds: float = 3.0
    warmup: float = 0.5
    connections: int = 64
    seed: int = 1

    def of_round(self, number: int) -> int:
        """A seed that no other round has."""
        return self.seed * 1_000_003 + number * 101


@dataclass(frozen=True)
class Sample:
    """One run of one contestant.

    `server_cpu_us`: its processor time per request, which noise blurs least. `load_busy`: how much of the
    time the load generator used its core; near 1 it is the load that was measured. `backlog`: acknowledged
    events put off and not done when the load ended; `sustained`: the rate if the time until then counts too.
    """

    contestant: str
    round: int
    rate: float
    latency_ms: dict[str, float]
    acknowledged: int
    refused: dict[str, int]
    lost_connections: int
    server_cpu_us: float = 0.0
    load_busy: float = 0.0
    backlog: int | None = None
    sustained: float | None = None
    verdict: Verdict | None = None


@dataclass
class Session:
    """The runs against one contestant that stands, each of which is verified."""

    bench_env: BenchEnv
    contestant: Contestant
    stand: Stand
    runs: int = 0

    def run(self, number: int, plan: Plan, **changes: Any) -> Sample:
        """One run of the load; `changes`: of its order. Raises BenchError where an event is missing."""
        folder = self.bench_env.new_folder()
        ids = folder / "acknowledged.txt"
        repeat = self.stand.traffic.repeat
        order = Order(
            ports=self.stand.ports,
            traffic=self.stand.traffic,
            acknowledged=str(ids),
            pool=_REPEATED if repeat else int(self.contestant.most * (plan.seconds + plan.warmup)),
            seed=plan.of_round(number) + self.runs,
            seconds=plan.seconds,
            warmup=plan.warmup,
            connections=plan.connections,
            core=load_core(),
        )
        before = cpu_seconds(self.stand.pids)
        report = run_load(replace(order, **changes), folder)
        self.runs += 1
        backlog, sustained = self._catch_up(report)
        return Sample(
            self.contestant.name,
            number,
            server_cpu_us=1e6 * (cpu_seconds(self.stand.pids) - before) / report["acknowledged"],
            load_busy=report["busy"],
            backlog=backlog,
            sustained=sustained,
            verdict=self._verdict(ids),
            **_told(report),
        )

    def _catch_up(self, report: dict[str, Any]) -> tuple[int | None, float | None]:
        """How many events are left to work on, and the rate that counts the time until none is."""
        if self.stand.backlog is None:
            return None, None
        began = time.monotonic()
        left = backlog = self.stand.backlog()
        while left and time.monotonic() < began + _CATCH_UP_S:
            time.sleep(0.05)
            left = self.stand.backlog()
        if left:
            raise BenchError(
                f"{left} of {backlog} events were put off and not done {_CATCH_UP_S:.0f} s after the load"
            )
        return backlog, report["acknowledged"] / (report["took_s"] + time.monotonic() - began)

    def _verdict(self, acknowledged: Path) -> Verdict | None:
        if self.stand.stored is None:
            return None
        verdict = verify(acknowledged.read_text().split(), self.stand.stored())
        verdict.insist(self.contestant.name)
        return verdict


Act = Callable[[Session, int, Plan], list[Sample]]
"""What is done with a contestant that stands, in one round."""


def run_load(order: Order, folder: Path) -> dict[str, Any]:
    """The report of one run of the load generator. Raises BenchError where nothing comes of it."""
    path = folder / "order.json"
    order.write(path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load", str(path)],
        capture_output=True,
        text=True,
        timeout=order.seconds + order.warmup + _LOAD_S,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"the load generator failed: {done.stderr[-1500:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    if not report["acknowledged"]:
        raise BenchError(f"nothing was acknowledged: {report}")
    return report


def _told(report: dict[str, Any]) -> dict[str, Any]:
    names = ("rate", "latency_ms", "acknowledged", "refused", "lost_connections")
    return {name: report[name] for name in names}


def turns(names: Sequence[str], rounds: int, seed: int) -> Iterator[tuple[int, str]]:
    """(round, name): in each round everyone once, in an order of its own."""
    rng = Random(seed)
    for number in range(1, rounds + 1):
        order = list(names)
        rng.shuffle(order)
        for name in order:
            yield number, name


@dataclass
class Race:
    """What came of all rounds. `left_out`: contestant → why."""

    samples: list[Sample] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def once(session: Session, number: int, plan: Plan) -> list[Sample]:
    """One run in a round."""
    return [session.run(number, plan)]


def race(
    bench_env: BenchEnv, contestants: Sequence[Contestant], plan: Plan, say: Say, act: Act = once
) -> Race:
    """All rounds. Who cannot run here is left out, who does not start has failed; an event missing raises."""
    outcome = Race()
    able = _able(bench_env, contestants, outcome, say)
    results: dict[str, list[Sample]] = {name: [] for name in able}
    for number, name in turns(list(able), plan.rounds, plan.seed):
        if name in outcome.failed:
            continue
        try:
            with able[name].start(bench_env) as stand:
                samples = act(Session(bench_env, able[name], stand), number, plan)
        except StartError as error:
            outcome.failed[name] = str(error)
            say(f"{name} failed: {error}")
            continue
        results[name] += samples
        for sample in samples:
            say(f"round {number} of {plan.rounds}: {sample.contestant}: {told(sample)}")
    outcome.samples = [sample for samples in results.values() for sample in samples]
    return outcome


def _able(
    bench_env: BenchEnv, contestants: Sequence[Contestant], outcome: Race, say: Say
) -> dict[str, Contestant]:
    """Those that can run here, by name; the others are noted as left out."""
    able = {}
    for each in contestants:
        if problem := each.problem(bench_env):
            outcome.left_out[each.name] = problem
            say(f"{each.name} is left out: {problem}")
        else:
            able[each.name] = each
    return able


def told(sample: Sample) -> str:
    """A sample in a line."""
    text = (
        f"{sample.rate:,.0f}/s, p99 {sample.latency_ms['p99']:.1f} ms, CPU {sample.server_cpu_us:.0f} µs each"
    )
    if sample.sustained is not None:
        text += f", {sample.backlog} left to fold ({sample.sustained:,.0f}/s with that)"
    if verdict := sample.verdict:
        text += f", {verdict.acknowledged} acknowledged, {verdict.stored} of them stored, none doubled"
    if sample.refused or sample.lost_connections:
        text += f", refused {sample.refused}, {sample.lost_connections} connections lost"
    if sample.load_busy > _TOO_BUSY:
        text += f" (the load was busy for {sample.load_busy:.0%} of the time: it may be what was measured)"
    return text
