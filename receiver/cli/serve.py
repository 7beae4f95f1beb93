"""`receiver serve` and `reconcile`: the service, and one pass of its reconciliation by hand."""

import asyncio
from typing import Annotated, Any

import typer

from receiver import server
from receiver.app import Receiver
from receiver.cli.output import ConfigOption, JsonOption, print_json, print_table
from receiver.errors import InputError
from receiver.reconcile.call_reconciler import CallReconciler
from receiver.reconcile.loop import TaskReconciler
from receiver.settings.settings import Settings, load_settings


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
    receiver = Receiver(settings, server.machine_environment(settings))
    results = []
    async with receiver.recording():
        for account, context in receiver.contexts.items():
            for part, worker in (("tasks", TaskReconciler(context)), ("calls", CallReconciler(context))):
                before = context.client.calls
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
                        "api_calls": context.client.calls - before,
                        "failed": report.failed,
                    }
                )
    return results
