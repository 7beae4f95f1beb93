"""`receiver serve`, and `receiver reconcile`: one pass of reconciliation."""

import asyncio
from typing import Annotated, Any

import typer

from receiver import server
from receiver.app import Receiver
from receiver.cli.output import ConfigOption, JsonOption, print_json, print_table
from receiver.errors import InputError
from receiver.reconcile.call_reconciler import CallReconciler
from receiver.reconcile.loop import TaskReconciler
from receiver.settings.roles import ServiceRole
from receiver.settings.settings import Settings, load_settings


def serve(
    role: Annotated[
        ServiceRole | None,
        typer.Option(help="Part of the work, instead of the one in the settings.", show_default=False),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Receive hooks, reconcile and serve the API until SIGTERM; then finish running work and exit."""
    server.serve(load_settings(config, **({"role": role} if role else {})))


def reconcile(
    once: Annotated[
        bool, typer.Option("--once", help="Required. `serve` runs reconciliation continuously.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the API about all unsettled tasks, due or not; exit 1 if a request failed."""
    if not once:
        raise InputError("--once", "use `receiver reconcile --once`; `serve` reconciles continuously")
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
