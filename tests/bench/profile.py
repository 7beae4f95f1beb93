"""`profile`: where `serve` spends its time under load, by function and by package, as py-spy sees it."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from shutil import which
from typing import Annotated

import typer
from rich.table import Table

from tests.bench import options
from tests.bench.bench_env import ROOT, BenchEnv, BenchError, load_core
from tests.bench.contestants.contestant import Contestant
from tests.bench.machine import describe
from tests.bench.report import STDOUT, Report, say
from tests.bench.rounds import Plan, Race, Sample, Session, told

_FRAME = re.compile(r"(?P<function>.+) \((?P<file>.+)\)$")
_SHOWN = 30
_WAITS = "_worker (concurrent/futures/thread.py)"
"""A thread of a pool that has nothing to do, which py-spy does not always notice."""

_IN_C = {
    "asyncio/runners.py": "uvloop, httptools (in C)",
    "sqlalchemy/engine/default.py": "the database driver (in C)",
}
"""Time spent in C counts for the Python function that called it."""


def profile(
    *,
    seconds: options.Seconds = 5.0,
    connections: options.Connections = 64,
    only: Annotated[str, typer.Option(help="The contestant to look into.")] = "receiver-sqlite",
    samples: Annotated[int, typer.Option(min=10, help="Samples per second.")] = 400,
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """The functions and packages in which a server spends its time; rough, since watching takes time too."""
    (contestant,) = options.chosen(only, ())
    plan = Plan(1, seconds, 0.5, connections)
    spy = py_spy()
    if spy is None:
        say("left out: no py-spy here; it comes with pip install 'receiver[bench]'")
        raise typer.Exit(0)
    with options.bench_env(folder) as here:
        stacks = here.new_folder() / "stacks.txt"
        command = [
            spy,
            "record",
            "--format",
            "raw",
            "--full-filenames",
            "--nolineno",
            "--output",
            str(stacks),
        ]
        sample = _watched(here, contestant, plan, [*command, "--rate", str(samples), "--duration", "3600"])
        if not stacks.is_file():
            raise BenchError("py-spy has written nothing: is it allowed to trace processes here?")
        functions, packages = own_time(stacks.read_text().splitlines())
        for title, counts in (("own time by function", functions), ("own time by package", packages)):
            STDOUT.print(_table(title, counts))
        details = {"by_function": functions.most_common(_SHOWN), "by_package": packages.most_common()}
        settings = vars(plan) | {"contestant": only, "samples": samples}
        options.conclude(Report("profile", settings, describe(here), (), Race([sample]), details), as_json)


def py_spy() -> str | None:
    """That of this environment, which need not be in PATH, before any other."""
    return which("py-spy", path=str(Path(sys.executable).parent)) or which("py-spy")


def _watched(bench_env: BenchEnv, contestant: Contestant, plan: Plan, command: list[str]) -> Sample:
    with contestant.start(bench_env) as stand:
        spy = subprocess.Popen(
            [*command, "--pid", str(stand.pids[0])], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if (core := load_core()) is not None:
            os.sched_setaffinity(spy.pid, {core})
        try:
            sample = Session(bench_env, contestant, stand).run(1, plan)
        finally:
            # It writes what it has when it is interrupted.
            spy.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                spy.wait(60)
            if spy.poll() is None:
                spy.kill()
                spy.wait()
    say(told(sample))
    return sample


def own_time(stacks: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """Samples by the function that ran, and by its package. A line: frames with `;` between, and a count."""
    functions: Counter[str] = Counter()
    packages: Counter[str] = Counter()
    for line in stacks:
        frames, _, count = line.rpartition(" ")
        frame = _FRAME.match(frames.split(";")[-1])
        file = _short(frame["file"]) if frame else "?"
        name = f"{frame['function'] if frame else frames} ({file})"
        if name != _WAITS:
            functions[name] += int(count)
            packages[_package(file)] += int(count)
    return functions, packages


def _short(file: str) -> str:
    """A path from the package on."""
    for root in (f"{ROOT}/", "/site-packages/", "/dist-packages/"):
        if root in file:
            return file.rpartition(root)[2]
    return re.sub(r"^.*/lib/python[\d.]+/", "", file)


def _package(file: str) -> str:
    if file in _IN_C:
        return _IN_C[file]
    parts = Path(file).with_suffix("").parts
    return ".".join(parts[:2]) if parts[0] == "receiver" else parts[0]


def _table(title: str, counts: Counter[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    table.add_column("part", justify="right")
    for name, count in counts.most_common(_SHOWN):
        table.add_row(name, f"{count / counts.total():.1%}")
    return table
