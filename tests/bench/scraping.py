"""`scrape`: what ingest loses to scrapes."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from typing import Annotated

import typer

from tests.bench import options
from tests.bench.bench_env import BenchEnv, BenchError
from tests.bench.contestants import ours
from tests.bench.contestants.contestant import Contestant, Stand
from tests.bench.figures import Figure, Goal, Spread, by_contestant
from tests.bench.machine import describe
from tests.bench.report import Report, say
from tests.bench.rounds import Plan, Sample, race

USUAL_S = 15.0
"""Between two scrapes in `config/prometheus/prometheus.yml`."""

ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
"""What Prometheus asks for; of the two forms the one that takes longer to write."""

_ALONE, _SCRAPED = "receiver-sqlite", "receiver-sqlite, scraped"


def scrape(
    *,
    rounds: options.Rounds = 9,
    seconds: options.Seconds = 3.0,
    warmup: options.Warmup = 1.0,
    connections: options.Connections = 64,
    every: Annotated[float, typer.Option(min=0.01, help="Seconds between two scrapes.")] = 0.1,
    seed: options.Seed = 1,
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """Ingest while `/metrics` is read far more often than usual, beside ingest while it is not."""
    plan = Plan(rounds, seconds, warmup, connections, seed)
    start = partial(_scraped, every_s=every)
    contestants = [
        Contestant(_ALONE, "nobody scrapes", ours.on_sqlite, most=ours.SQLITE.most),
        Contestant(_SCRAPED, f"scraped every {every:g} s", start, most=ours.SQLITE.most),
    ]
    with options.bench_env(folder) as here:
        outcome = race(here, contestants, plan, say)
        figures = [*_figures(outcome.samples, every)]
        settings = vars(plan) | {"every_s": every}
        options.conclude(Report("scrape", settings, describe(here), figures, outcome), as_json)


def _figures(samples: list[Sample], every_s: float) -> Iterator[Figure]:
    found = by_contestant(samples)
    ratios = [
        scraped.rate / alone.rate for scraped, alone in zip(found[_SCRAPED], found[_ALONE], strict=True)
    ]
    yield Figure(Goal(f"scraped every {every_s:g} s ÷ not scraped"), Spread.of(ratios))
    # So often that the loss stands out from the noise; one scrape costs the same however often there is one.
    losses = [(1 - ratio) * every_s / USUAL_S for ratio in ratios]
    name = f"lost to a scrape every {USUAL_S:g} s"
    yield Figure(Goal(name, 0.01, below=True), Spread.of(losses))


@contextmanager
def _scraped(bench_env: BenchEnv, every_s: float) -> Iterator[Stand]:
    with ours.on_sqlite(bench_env) as stand, scraping(stand.api_ports[0], every_s):
        yield stand


@contextmanager
def scraping(port: int, every_s: float) -> Iterator[None]:
    """Read the metrics at this port again and again. Raises BenchError where that did not work."""
    stop, sizes = threading.Event(), list[int]()

    def run() -> None:
        with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            while not stop.wait(every_s):
                connection.request("GET", "/metrics", headers={"Accept": ACCEPT})
                answer = connection.getresponse()
                text = answer.read()
                if answer.status == 200 and text.endswith(b"# EOF\n"):
                    sizes.append(len(text))

    thread = threading.Thread(target=run, name="scraper", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if not sizes:
        raise BenchError("no scrape was answered")
    say(f"{len(sizes)} scrapes, the last of {sizes[-1]:,} bytes")
