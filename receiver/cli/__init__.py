"""The command line. Commands print tables for people, or JSON with `--json`."""

import sys
from collections.abc import Mapping
from io import TextIOWrapper
from typing import Annotated

import typer

from receiver.cli.lazy import LazyCommand, LazyGroup
from receiver.cli.output import STDOUT, print_error
from receiver.cli.times import Display, displaying
from receiver.errors import (
    ReceiverError,
    SchedulerAuthError,
    SchedulerUnreachableError,
    StoreUnavailableError,
)

_CHECKABLE = (SchedulerUnreachableError, SchedulerAuthError, StoreUnavailableError)
_HINT = "; run `receiver check` for details"

COMMANDS: Mapping[str, LazyCommand] = {
    "demo": LazyCommand(
        "receiver.cli.demo",
        "demo",
        "Run emulator, receiver, a sample CRM and a stream of tasks, and compare the results with the truth.",
    ),
    "dev": LazyCommand(
        "receiver.cli.dev",
        "dev",
        "Run an emulated scheduler and a receiver for it, and print what to do next.",
    ),
    "listen": LazyCommand(
        "receiver.cli.listen",
        "listen",
        "Forward outcomes to a URL, signed as deliveries are, and print a line for each. Ctrl-C stops.",
    ),
    "status": LazyCommand(
        "receiver.cli.status",
        "status",
        "Print hooks a minute, oldest waits, failing subscriptions, lost hooks, leases and quotas.",
    ),
    "serve": LazyCommand(
        "receiver.cli.serve",
        "serve",
        "Receive hooks, reconcile and serve the API until SIGTERM; then finish running work and exit.",
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
        "Ask the API about all unsettled tasks, due or not; exit 1 if a request failed.",
    ),
    "rebuild": LazyCommand(
        "receiver.cli.rebuilding",
        "rebuild",
        "Rebuild all derived tables from the ledger, or compare them with it (--verify).",
    ),
    "reread": LazyCommand(
        "receiver.cli.rereading",
        "reread",
        "Read stored deliveries again with the current `aliases`, and record what changed.",
    ),
    "capture": LazyCommand(
        "receiver.cli.capture",
        "capture",
        "Print raw hook deliveries and propose a field mapping. Run it beside `receiver serve`.",
    ),
    "columns": LazyCommand(
        "receiver.cli.columns",
        "columns",
        "Describe the columns of exports and SQL views. Needs no store.",
    ),
    "export": LazyCommand(
        "receiver.cli.exporting",
        "export_rows",
        "Export rows as CSV, JSON Lines, Excel or Parquet, all or from a time range.",
    ),
    "lost-hooks": LazyCommand(
        "receiver.cli.findings",
        "lost_hooks",
        "List expected hooks that did not arrive.",
    ),
    "drift": LazyCommand("receiver.cli.findings", "drift", "List disagreements between hooks and API."),
    "anomalies": LazyCommand(
        "receiver.cli.findings",
        "anomalies",
        "List facts that contradict others, could not be read, or came too late.",
    ),
    "set-aside": LazyCommand(
        "receiver.cli.set_aside",
        "set_aside",
        "List hooks that could not be read and tasks that could not be folded, or retry them.",
    ),
    "report": LazyCommand(
        "receiver.cli.report",
        "show_report",
        "Report how often callbacks succeed, when, after how many attempts, and why they fail.",
    ),
    "deliveries": LazyCommand(
        "receiver.cli.deliveries", "deliveries_app", "What came to the hook URLs: list, show."
    ),
    "events": LazyCommand(
        "receiver.cli.events",
        "events",
        "List published events, newest first, and what became of each at the subscriptions.",
    ),
    "outcomes": LazyCommand(
        "receiver.cli.events",
        "outcomes",
        "Print the feed of outcomes, one a line, in the order of their publication.",
    ),
    "find": LazyCommand(
        "receiver.cli.find",
        "find",
        "Find the calls to a phone number: its tasks with all attempts, times and results.",
    ),
    "tasks": LazyCommand("receiver.cli.tasks", "tasks_app", "Callback tasks: list, show, create, cancel."),
    "queues": LazyCommand("receiver.cli.queues", "queues_app", "Queues at the scheduler."),
    "subscriptions": LazyCommand(
        "receiver.cli.subscriptions",
        "subscriptions_app",
        "Subscriptions of CRMs to outcomes, and their messages.",
    ),
    "urls": LazyCommand("receiver.cli.urls", "urls_app", "Hook URLs for tasks that you create elsewhere."),
    "tokens": LazyCommand(
        "receiver.cli.tokens",
        "tokens_app",
        "Tokens for the API. Only their hashes are stored.",
    ),
    "users": LazyCommand(
        "receiver.cli.users",
        "users_app",
        "Users of the console: roles, passwords, links.",
    ),
    "audit": LazyCommand(
        "receiver.cli.audit",
        "audit",
        "List who did what: searches for phone numbers, retries, changes, newest first.",
    ),
    "purge": LazyCommand(
        "receiver.cli.purge",
        "purge",
        "Take one person's phone number, and the names in its tasks, out of the store; sums stay.",
    ),
    "db": LazyCommand("receiver.cli.db", "db_app", "Schema, backups and retention of the store."),
    "config": LazyCommand("receiver.cli.config", "config_app", "The settings file."),
}
"""Name → command, in the order of `receiver --help`."""


class _Commands(LazyGroup):
    lazy = COMMANDS


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Receives the hooks of callback tasks, proves how each task ended, and delivers outcomes to CRMs. "
    "A task is named by your own ref or by the vendor's id.",
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
    """Run the command line. Expected errors are printed as one text, with exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        _accept_any_text(stream)
    try:
        with displaying(Display()):
            app()
    except ReceiverError as error:
        print_error(f"{error}{_HINT if isinstance(error, _CHECKABLE) else ''}")
        sys.exit(2)
    except OSError as error:  # of the operating system, such as a port in use
        print_error(": ".join(filter(None, (error.filename, error.strerror or type(error).__name__))))
        sys.exit(2)


def _accept_any_text(stream: object) -> None:
    """Write UTF-8 to files and pipes; on a terminal replace characters that it cannot show."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="replace")
