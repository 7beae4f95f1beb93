"""The commands. Each explains itself in `--help` and prints tables for people, or JSON with `--json`."""

import sys
from collections.abc import Mapping
from io import TextIOWrapper
from typing import Annotated

import typer

from receiver.cli.lazy import LazyCommand, LazyGroup
from receiver.cli.output import STDOUT, print_error
from receiver.errors import (
    ReceiverError,
    SchedulerAuthError,
    SchedulerUnreachableError,
    StoreUnavailableError,
)

_LOOKED_INTO = (SchedulerUnreachableError, SchedulerAuthError, StoreUnavailableError)
_HINT = "; `receiver check` may tell more"

COMMANDS: Mapping[str, LazyCommand] = {
    "demo": LazyCommand(
        "receiver.cli.demo",
        "demo",
        "Run emulator, receiver, a sample CRM and a stream of tasks, and compare what came out "
        "with the truth.",
    ),
    "serve": LazyCommand(
        "receiver.cli.serve",
        "serve",
        "Take in hooks, reconcile, and answer /v1 until SIGTERM; then finish what is under way and stop.",
    ),
    "emulate": LazyCommand(
        "receiver.emulator.command",
        "emulate",
        "Run a working cloud-PBX scheduler that executes tasks, fires hooks and injects faults.",
    ),
    "check": LazyCommand(
        "receiver.cli.check",
        "check",
        "Check settings, store, API credentials and clocks; exit 1 if something will not work.",
    ),
    "reconcile": LazyCommand(
        "receiver.cli.serve",
        "reconcile",
        "Ask the API about everything that is not settled, due or not. Exits 1 if any of it failed.",
    ),
    "rebuild": LazyCommand(
        "receiver.cli.rebuilding",
        "rebuild",
        "Replay the ledger into the tables; with --verify beside them, to compare.",
    ),
    "reread": LazyCommand(
        "receiver.cli.rereading",
        "reread",
        "Read deliveries again with the `aliases` of the settings file, and keep what they say now.",
    ),
    "capture": LazyCommand(
        "receiver.cli.capture",
        "capture",
        "Print hook deliveries as they came and propose a field mapping. Run it beside `receiver serve`.",
    ),
    "columns": LazyCommand(
        "receiver.cli.columns",
        "columns",
        "What is in the columns of exports and of the SQL views. Needs no store.",
    ),
    "export": LazyCommand(
        "receiver.cli.exporting",
        "export_rows",
        "Export all rows, or those of a range of time, as CSV, JSON Lines or Parquet.",
    ),
    "lost-hooks": LazyCommand(
        "receiver.cli.findings",
        "lost_hooks",
        "Hooks that had to come, by their task's plan and end, and did not.",
    ),
    "drift": LazyCommand("receiver.cli.findings", "drift", "Disagreements between hooks and API."),
    "set-aside": LazyCommand(
        "receiver.cli.set_aside",
        "set_aside",
        "List hooks that could not be read and tasks that could not be folded, or try them again.",
    ),
    "report": LazyCommand(
        "receiver.cli.report",
        "show_report",
        "How often callbacks succeed, when, after how many attempts, and why not.",
    ),
    "tasks": LazyCommand("receiver.cli.tasks", "tasks_app", "Callback tasks: list, show, create."),
    "queues": LazyCommand("receiver.cli.queues", "queues_app", "Queues at the scheduler."),
    "subscriptions": LazyCommand(
        "receiver.cli.subscriptions",
        "subscriptions_app",
        "Who is told of outcomes, and what became of it.",
    ),
    "urls": LazyCommand("receiver.cli.urls", "urls_app", "Hook URLs for tasks that are created elsewhere."),
    "tokens": LazyCommand(
        "receiver.cli.tokens",
        "tokens_app",
        "Who may use /v1. Only hashes of tokens are kept.",
    ),
    "db": LazyCommand("receiver.cli.db", "db_app", "The store's schema, and copies of the store."),
    "config": LazyCommand("receiver.cli.config", "config_app", "The settings file."),
}
"""Name → command, in the order of `receiver --help`."""


class _Commands(LazyGroup):
    lazy = COMMANDS


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Takes in the hooks of callback tasks, proves how each task ended, and tells who needs to know.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 -- slow to import

        STDOUT.print(f"receiver {version('receiver')}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Options of every command."""


def main() -> None:
    """Run the command line; what goes wrong on purpose is one clear text and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        _write_anything(stream)
    try:
        app()
    except ReceiverError as error:
        print_error(f"{error}{_HINT if isinstance(error, _LOOKED_INTO) else ''}")
        sys.exit(2)
    except OSError as error:  # the machine's refusal, such as a port that is taken
        print_error(": ".join(filter(None, (error.filename, error.strerror or type(error).__name__))))
        sys.exit(2)


def _write_anything(stream: object) -> None:
    """Programs are told in UTF-8, whatever the locale; a terminal shows `?` for what it cannot."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="replace")
