"""Two public peers on PostgreSQL, installed on first use by name from their registries, never vendored."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.bench.bench_env import (
    ROOT,
    BenchEnv,
    Program,
    StartError,
    free_port,
    running,
    server_cores,
    uvicorn,
)
from tests.bench.contestants.contestant import Contestant, Stand, needs_postgres
from tests.bench.traffic import Traffic

DJSTRIPE = (
    "dj-stripe==2.11.0",
    "django==5.2.19",
    "psycopg[binary,pool]==3.3.9",
    "stripe==15.6.2",
    "uvicorn==0.54.0",
    "uvloop==0.23.0",
    "httptools==0.9.0",
)
SYNC_ENGINE = ("@supabase/stripe-sync-engine@0.48.5", "stripe@23.1.0")

_APPS = ROOT / "tests" / "bench" / "apps"
_SECRET = "whsec_bench"
_ENDPOINT = "3f0b8d5e-6c55-4f0e-9d7a-000000000001"
_INSTALL_S = 600


def _installed(folder: Path, steps: Sequence[Sequence[str]]) -> str | None:
    """Runs the steps unless they have been run here before; what went wrong, or None."""
    done = folder / "installed.txt"
    wanted = "\n".join(" ".join(step) for step in steps)
    if done.is_file() and done.read_text() == wanted:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    for step in steps:
        try:
            subprocess.run(step, cwd=folder, check=True, capture_output=True, text=True, timeout=_INSTALL_S)
        except subprocess.CalledProcessError as error:
            return f"cannot be installed: {(error.stderr or error.stdout).strip()[-300:]}"
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"cannot be installed: {error}"
    done.write_text(wanted)
    return None


def _djstripe_problem(bench_env: BenchEnv) -> str | None:
    folder = bench_env.peers / "dj-stripe"
    make = [sys.executable, "-m", "venv", str(folder / "venv")]
    install = [str(_djstripe_python(bench_env)), "-m", "pip", "install", "--quiet", *DJSTRIPE]
    return needs_postgres(bench_env) or _installed(folder, [make, install])


def _djstripe_python(bench_env: BenchEnv) -> Path:
    return bench_env.peers / "dj-stripe" / "venv" / "bin" / "python"


@contextmanager
def _djstripe(bench_env: BenchEnv) -> Iterator[Stand]:
    postgres = bench_env.postgres
    name = postgres.new_database()
    python, port = str(_djstripe_python(bench_env)), free_port()
    database = {"BENCH_DATABASE": name, "BENCH_HOST": postgres.socket_folder}
    prepared = subprocess.run(
        [python, "djstripe_site.py"],
        cwd=_APPS,
        env={**os.environ, **database},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if prepared.returncode:
        raise StartError(f"dj-stripe's tables: {prepared.stderr[-1000:]}")
    command = [python, *uvicorn("djstripe_site:application", port)[1:], "--lifespan", "off"]
    traffic = Traffic("stripe", f"/stripe/webhook/{_ENDPOINT}/", _SECRET, event="balance.available")
    try:
        with running(bench_env, [Program(command, port, database, server_cores(1)[0], _APPS)]) as processes:
            bench_env.peers_used["dj-stripe"] = DJSTRIPE
            stored = partial(postgres.texts, name, _DJSTRIPE_STORED)
            yield Stand((port,), traffic, stored, (processes[0].pid,))
    finally:
        postgres.drop_database(name)


_DJSTRIPE_STORED = (
    "SELECT event.id FROM djstripe_event event"
    " JOIN djstripe_webhookeventtrigger request ON request.event_id = event.id WHERE request.processed"
)


def _sync_engine_problem(bench_env: BenchEnv) -> str | None:
    if not (shutil.which("node") and shutil.which("npm")):
        return "there is no Node with npm"
    install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", ".", *SYNC_ENGINE]
    return needs_postgres(bench_env) or _installed(bench_env.peers / "stripe-sync-engine", [install])


@contextmanager
def _sync_engine(bench_env: BenchEnv) -> Iterator[Stand]:
    postgres = bench_env.postgres
    name = postgres.new_database()
    port = free_port()
    url = postgres.url(name).replace("postgres@/", "postgres@localhost/")
    modules = str(bench_env.peers / "stripe-sync-engine")
    command = ["node", str(_APPS / "stripe_sync.mjs"), modules, str(port), url, _SECRET]
    traffic = Traffic("stripe", "/webhook", _SECRET, event="product.created")
    try:
        with running(bench_env, [Program(command, port, cores=server_cores(1)[0])]) as processes:
            bench_env.peers_used["stripe-sync-engine"] = SYNC_ENGINE
            sql = "SELECT replace(id, 'prod_', 'evt_') FROM stripe.products"
            yield Stand((port,), traffic, partial(postgres.texts, name, sql), (processes[0].pid,))
    finally:
        postgres.drop_database(name)


DJ_STRIPE = Contestant(
    "dj-stripe",
    "its webhook view on PostgreSQL, signatures checked, events that need no call to Stripe",
    _djstripe,
    most=3_000,
    peer=True,
    problem=_djstripe_problem,
)
STRIPE_SYNC_ENGINE = Contestant(
    "stripe-sync-engine",
    "@supabase/stripe-sync-engine on PostgreSQL behind a Node server, signatures checked",
    _sync_engine,
    most=12_000,
    peer=True,
    problem=_sync_engine_problem,
)
