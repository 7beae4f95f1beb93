"""`python -m tests.bench COMMAND`: measure the receiver, beside what people would use instead."""

import typer

from tests.bench.analytics import analytics
from tests.bench.bulkheads import bulkheads, crowd
from tests.bench.console import console
from tests.bench.delivering import delivery
from tests.bench.exporting import export
from tests.bench.finding import find
from tests.bench.growth import growth
from tests.bench.ingest import ingest
from tests.bench.latency import latency
from tests.bench.memory import memory
from tests.bench.profile import profile
from tests.bench.reconciling import reconcile
from tests.bench.replay import rebuild
from tests.bench.scraping import scrape
from tests.bench.slowdisk import fsync
from tests.bench.story import story
from tests.bench.strangers import strangers
from tests.bench.subscriptions import subscriptions

app = typer.Typer(
    help="Measure the receiver beside ceilings, a plain handler and peers. Starts everything itself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _group() -> None:
    """Measure the receiver beside ceilings, a plain handler and peers. Starts everything itself."""


MEASURES = (
    *(ingest, latency, fsync, strangers, rebuild, memory, growth),
    *(reconcile, delivery, analytics, export, scrape),
    *(bulkheads, crowd, story, find, console, subscriptions),
)

for command in (*MEASURES, profile):
    app.command()(command)

if __name__ == "__main__":
    app()
