"""The options that all commands share, and the bench_env that they run on."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tests.bench.bench_env import PEERS_DIR, BenchEnv, BenchError
from tests.bench.contestants import CONTESTANTS
from tests.bench.contestants.contestant import Contestant
from tests.bench.postgres import Postgres
from tests.bench.report import STDERR, Report

Rounds = Annotated[int, typer.Option(min=1, help="How often each contestant runs.")]
Seconds = Annotated[float, typer.Option(min=0.1, help="Seconds that a run is measured.")]
Warmup = Annotated[float, typer.Option(min=0.0, help="Seconds of load before that.")]
Connections = Annotated[int, typer.Option(min=1, help="Keep-alive connections of the load.")]
Seed = Annotated[int, typer.Option(help="Decides the ids and the order of the contestants.")]
Only = Annotated[str, typer.Option(help="Contestants to run, with commas between; see `ingest --list`.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the result here as JSON as well.")]
Folder = Annotated[
    Path | None, typer.Option(help="Where the databases lie; default: the system's temporary folder.")
]
Peers = Annotated[Path, typer.Option(help="Where peers are installed on first use, and found again.")]


def chosen(only: str, default: Sequence[str]) -> list[Contestant]:
    """The contestants named, in the order of the tables. Raises typer.BadParameter for an unknown one."""
    names = [name.strip() for name in only.split(",") if name.strip()] or list(default)
    for name in names:
        if name not in CONTESTANTS:
            raise typer.BadParameter(f"'{name}' is no contestant; there are {', '.join(CONTESTANTS)}")
    return [each for name, each in CONTESTANTS.items() if name in names]


@contextmanager
def bench_env(folder: Path | None, peers: Path = PEERS_DIR, keep: Path | None = None) -> Iterator[BenchEnv]:
    """Open a temporary environment. At its end all processes are ended and its files are deleted, except
    PostgreSQL's data in `keep`. BenchErrors end the command.
    """
    with tempfile.TemporaryDirectory(prefix="receiver-bench-", dir=folder) as made:
        postgres = Postgres(keep or Path(made))
        try:
            yield BenchEnv(Path(made), postgres, peers)
        except BenchError as error:
            for text in (f"error: {error}", *getattr(error, "__notes__", ())):
                STDERR.print(text, style="bold red", highlight=False, markup=False)
            raise typer.Exit(1) from None
        finally:
            postgres.stop()


def conclude(report: Report, path: Path | None) -> None:
    """Show it, keep it; exit status 1 where a contestant failed."""
    report.show()
    if path is not None:
        report.write(path)
    if report.race.failed:
        raise typer.Exit(1)
