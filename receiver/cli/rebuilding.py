"""`receiver rebuild`: what is derived from the ledger, made anew or compared."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from time import monotonic, time
from typing import Annotated, Any

import typer

from receiver.analytics.rollup_repair import change_zone
from receiver.app import create_projector
from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, print_json, print_table
from receiver.ledger.projections import Difference
from receiver.ledger.rebuild import Comparison, Progress, verify
from receiver.ledger.rebuild import rebuild as replay
from receiver.maintenance.schema import create_tables
from receiver.settings.settings import load_settings
from receiver.storage.engine import Store
from receiver.storage.postgres import is_url

_PATIENCE_S = 60.0
"""How long to wait for SQLite's one writer: a `serve` that is busy leaves it only for moments."""


def rebuild(
    check_only: Annotated[
        bool, typer.Option("--verify", help="Change nothing; print what differs and exit 1 if anything does.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay the ledger into the tables; with --verify beside them, to compare.

    Both may run beside `serve`. A rebuild that broke off has left the tables whole: start it again.
    """
    settings = load_settings(config)
    target = settings.store
    projector = create_projector(settings.fold)
    with closing(Store(target, None if is_url(target) else _PATIENCE_S)) as store:
        create_tables(store)
        with _progress() as progress:
            if not check_only:
                change_zone(store, settings.analytics.zone, time())
            comparison = verify(store, projector, progress) if check_only else None
            tasks = replay(store, projector, progress) if not check_only else None
    _report(tasks, comparison, as_json=as_json)
    if comparison and comparison.differences:
        raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[Progress]:
    began = monotonic()
    with STDERR.status("replaying the ledger …") as status:

        def progress(done: int) -> None:
            rate = done / max(monotonic() - began, 0.001)
            status.update(f"replaying the ledger … {done:,} tasks, {rate:,.0f}/s")

        yield progress


def _report(tasks: int | None, comparison: Comparison | None, *, as_json: bool) -> None:
    differences = comparison.differences if comparison else []
    to_fold = comparison.to_fold if comparison else None
    if as_json:
        print_json({"tasks": tasks, "differences": list(map(_plain, differences)), "to_fold": to_fold})
        return
    if tasks is not None:
        STDOUT.print(f"{tasks} tasks rebuilt from the ledger.")
    elif not differences:
        STDOUT.print("0 differences: the tables are just what the ledger gives.")
    else:
        rows = [(each.table, each.key, each.problem, _columns(each)) for each in differences]
        print_table(f"{len(differences)} differences", ("table", "row", "problem", "live → ledger"), rows)
    if to_fold:
        STDOUT.print(f"{to_fold} tasks were not compared: facts about them are still to be folded.")


def _columns(difference: Difference) -> str:
    return "; ".join(
        f"{name}: {live!r} → {rebuilt!r}" for name, (live, rebuilt) in difference.columns.items()
    )


def _plain(difference: Difference) -> dict[str, Any]:
    columns = {
        name: {"live": live, "ledger": rebuilt} for name, (live, rebuilt) in difference.columns.items()
    }
    return {
        "table": difference.table,
        "key": difference.key,
        "problem": difference.problem,
        "columns": columns,
    }
