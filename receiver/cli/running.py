"""`receiver serve`, `reconcile` and `rebuild`: the service and its two repairs by hand."""

import asyncio
from typing import Annotated, Any

import typer

from receiver import server
from receiver.app import Receiver
from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, print_json, print_table
from receiver.errors import InputError
from receiver.rebuild import Difference, verify
from receiver.rebuild import rebuild as replay
from receiver.reconcile.worker import CallReconciler, TaskReconciler
from receiver.settings import Settings, load_settings
from receiver.store.engine import Store


def serve(config: ConfigOption = None) -> None:
    """Take in hooks, reconcile, and answer /v1 until SIGTERM; then finish what is under way and stop."""
    server.serve(load_settings(config))


def reconcile(
    once: Annotated[
        bool, typer.Option("--once", help="Required: `serve` runs reconciliation for ever.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the API about everything that is not settled, due or not. Exits 1 if any of it failed."""
    if not once:
        raise InputError("--once", "say `receiver reconcile --once`; `receiver serve` does it all the time")
    results = asyncio.run(_reconcile(load_settings(config)))
    if as_json:
        print_json(results)
    else:
        columns = ("account", "part", "due", "swept", "asked", "gone", "settled", "API calls", "failed")
        rows = [
            [result[column.replace(" ", "_").lower()] or None for column in columns] for result in results
        ]
        print_table("Reconciliation", columns, rows)
    if any(result["failed"] for result in results):
        raise typer.Exit(1)


async def _reconcile(settings: Settings) -> list[dict[str, Any]]:
    receiver = Receiver(settings, server.machine_world(settings))
    results = []
    async with receiver.running(reconcile=False):
        for account, desk in receiver.desks.items():
            for part, worker in (("tasks", TaskReconciler(desk)), ("calls", CallReconciler(desk))):
                before = desk.client.calls
                report = await worker.once(everything=True)
                results.append(
                    {
                        "account": account,
                        "part": part,
                        "due": report.due,
                        "swept": report.swept,
                        "asked": report.asked,
                        "gone": report.gone,
                        "settled": report.settled,
                        "api_calls": desk.client.calls - before,
                        "failed": report.failed,
                    }
                )
    return results


def rebuild(
    check_only: Annotated[
        bool, typer.Option("--verify", help="Change nothing; print what differs and exit 1 if anything does.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay the ledger into empty tables; with --verify beside the live ones, to compare."""
    store = Store(load_settings(config).store)
    store.create()
    with STDERR.status("replaying the ledger …") as status:

        def progress(done: int) -> None:
            status.update(f"replaying the ledger … {done} tasks")

        differences = verify(store, progress) if check_only else []
        tasks = replay(store, progress) if not check_only else None
    store.close()
    _report(differences, tasks, as_json=as_json)
    if differences:
        raise typer.Exit(1)


def _report(differences: list[Difference], tasks: int | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"tasks": tasks, "differences": [_plain(difference) for difference in differences]})
    elif tasks is not None:
        STDOUT.print(f"{tasks} tasks rebuilt from the ledger.")
    elif not differences:
        STDOUT.print("0 differences: the tables are just what the ledger gives.")
    else:
        rows = [(each.table, each.key, each.problem, _columns(each)) for each in differences]
        print_table(f"{len(differences)} differences", ("table", "row", "problem", "live → ledger"), rows)


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
