"""`receiver rebuild`: derived tables are rebuilt from the ledger, or compared with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, time
from typing import Annotated, Any

import typer

from receiver.analytics.rollup_repair import change_zone
from receiver.app import create_projector
from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, print_json, print_table
from receiver.ledger.projections import Difference
from receiver.ledger.rebuild import Comparison, Progress, verify
from receiver.ledger.rebuild import rebuild as replay
from receiver.maintenance.schema import open_store
from receiver.settings.settings import load_settings
from receiver.storage.postgres import is_url

_TIMEOUT_S = 60.0
"""Timeout for SQLite's write lock in seconds; long, since a busy `serve` releases it only briefly."""


def rebuild(
    check_only: Annotated[
        bool, typer.Option("--verify", help="Change nothing; print differences, and exit 1 if there are any.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rebuild all derived tables from the ledger, or compare them with it (--verify).

    `serve` can run meanwhile. An interrupted rebuild leaves the tables consistent: start it again.
    """
    settings = load_settings(config)
    target = settings.store
    projector = create_projector(settings.fold)
    with open_store(target, None if is_url(target) else _TIMEOUT_S) as store, _progress() as progress:
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
    with STDERR.status("reading the ledger …") as status:

        def progress(done: int) -> None:
            rate = done / max(monotonic() - began, 0.001)
            status.update(f"reading the ledger … {done:,} tasks, {rate:,.0f}/s")

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
        STDOUT.print("0 differences: the tables agree with the ledger.")
    else:
        rows = [(each.table, each.key, each.problem, _columns(each)) for each in differences]
        print_table(f"{len(differences)} differences", ("table", "row", "problem", "live → ledger"), rows)
    if to_fold:
        STDOUT.print(f"{to_fold} tasks were not compared: they have facts that are not folded yet.")


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
