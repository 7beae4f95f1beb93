"""The commands. Each explains itself in `--help` and prints tables for people, or JSON with `--json`."""

import sys
from io import TextIOWrapper

import typer

from receiver.cli.capture import capture
from receiver.cli.check import check
from receiver.cli.columns import columns
from receiver.cli.config import config_app
from receiver.cli.db import db_app
from receiver.cli.demo import demo
from receiver.cli.exporting import export_rows
from receiver.cli.findings import drift, lost_hooks
from receiver.cli.output import print_error
from receiver.cli.prune import prune
from receiver.cli.queues import queues_app
from receiver.cli.rebuilding import rebuild
from receiver.cli.report import show_report
from receiver.cli.rereading import reread
from receiver.cli.running import reconcile, serve
from receiver.cli.set_aside import set_aside
from receiver.cli.subscriptions import subscriptions_app
from receiver.cli.tasks import tasks_app
from receiver.cli.tokens import tokens_app
from receiver.cli.urls import urls_app
from receiver.emulator.command import emulate
from receiver.errors import (
    ReceiverError,
    SchedulerAuthError,
    SchedulerUnreachableError,
    StoreUnavailableError,
)
from receiver.logs import configure_logs

_LOOKED_INTO = (SchedulerUnreachableError, SchedulerAuthError, StoreUnavailableError)
_HINT = "; `receiver check` may tell more"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Takes in the hooks of callback tasks, proves how each task ended, and tells who needs to know.",
)

for command in (demo, serve, emulate, check, reconcile, rebuild, reread, capture, columns):
    app.command()(command)
app.command("export")(export_rows)
app.command("lost-hooks")(lost_hooks)
app.command("drift")(drift)
app.command("set-aside")(set_aside)
app.command("report")(show_report)
db_app.command("prune")(prune)
app.add_typer(tasks_app, name="tasks")
app.add_typer(queues_app, name="queues")
app.add_typer(subscriptions_app, name="subscriptions")
app.add_typer(urls_app, name="urls")
app.add_typer(tokens_app, name="tokens")
app.add_typer(db_app, name="db")
app.add_typer(config_app, name="config")


def main() -> None:
    """Run the command line; what goes wrong on purpose is one clear text and exit status 2."""
    configure_logs("console", "warning")
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
