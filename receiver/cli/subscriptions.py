"""`receiver subscriptions`: subscriptions of CRMs to outcomes, and their messages."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from pydantic import BaseModel

from receiver.cli.lazy import LazyCommand, LazyGroup
from receiver.cli.local_api import ask, plain
from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, print_json, print_table
from receiver.cli.subscription_options import (
    NameArgument,
    SecretOption,
    SetOption,
    health_text,
    read_body,
    read_settings,
)
from receiver.cli.table_options import tabular, zoned
from receiver.cli.tables import Column
from receiver.http.endpoint import Params
from receiver.outcomes import subscription_endpoints as handlers
from receiver.outcomes.params import RotateBody, SubscriptionBody, SubscriptionChange

_SENDING, _MESSAGES = "receiver.cli.subscription_sending", "receiver.cli.subscription_messages"


class _SubscriptionCommands(LazyGroup):
    lazy: ClassVar = {
        "test": LazyCommand(
            _SENDING,
            "send_test",
            "Send a test event at once and print the answer; exit 1 if it does not arrive.",
        ),
        "retry": LazyCommand(
            _SENDING,
            "retry",
            "Retry one message at once, or let a running receiver retry those that wait, and dead letters.",
        ),
        "replay": LazyCommand(
            _SENDING, "resend", "Resend outcomes, or send those that were never delivered."
        ),
        "preview": LazyCommand(
            "receiver.cli.subscription_preview",
            "show_request",
            "Print the request that a task's last outcome, or an example, would make. Sends nothing.",
        ),
        "messages": LazyCommand(_MESSAGES, "messages", "List messages of a subscription, newest first."),
        "message": LazyCommand(_MESSAGES, "message", "Show one message with all its delivery attempts."),
    }


subscriptions_app = typer.Typer(
    cls=_SubscriptionCommands,
    no_args_is_help=True,
    help="Subscriptions of CRMs to outcomes, and their messages.",
)


_LISTED = (
    *map(Column, ("name", "id", "state", "problem")),
    *(Column(name, right=True) for name in ("pending", "dead")),
    *(Column(name, optional=True) for name in ("format", "url")),
)


@subscriptions_app.command("list")
@tabular
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List all subscriptions, with their pending messages."""
    answer = plain(ask(handlers.list_subscriptions, Params(), {}, config))
    if as_json:
        print_json(answer)
        return
    rows = [row | {"problem": health_text(row)} for row in answer["subscriptions"]]
    cells = [[row[column.name] for column in _LISTED] for row in rows]
    print_table("Subscriptions", _LISTED, cells)


@subscriptions_app.command("show")
@zoned
def show(name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show one subscription, with its pending messages."""
    _print_one(ask(handlers.get_subscription, Params(), {"subscription": name}, config), as_json)


@subscriptions_app.command("add")
def add(
    *,
    name: Annotated[str, typer.Argument(help="Name of the subscription.")],
    url: Annotated[str, typer.Argument(help="URL that receives outcomes by POST.")],
    secret: SecretOption = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Post operator events to a chat: telegram (needs options.chat_id), slack, teams."),
    ] = None,
    settings: SetOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Subscribe a CRM to future outcomes, and print the signing secret. It cannot be shown again."""
    values = {"name": name, "url": url, "secret": secret, "preset": preset, **read_settings(settings)}
    answer = ask(handlers.add_subscription, Params(), {}, config, body=read_body(SubscriptionBody, values))
    _print_secret(answer, as_json)


@subscriptions_app.command("change")
def change(
    name: NameArgument,
    settings: SetOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change options; the others stay."""
    _change(name, read_settings(settings), config, as_json)


@subscriptions_app.command("pause")
def pause(name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Stop deliveries; messages are kept."""
    _change(name, {"state": "paused"}, config, as_json)


@subscriptions_app.command("resume")
def resume(name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Resume deliveries of a paused or disabled subscription."""
    _change(name, {"state": "active"}, config, as_json)


@subscriptions_app.command("remove")
def remove(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
) -> None:
    """Delete a subscription and all its messages. At a terminal, asks first."""
    path = {"subscription": name}
    if not yes and sys.stdin.isatty():
        row = plain(ask(handlers.get_subscription, Params(), path, config))
        lost = f"{row['pending']} messages that are not delivered and {row['dead']} dead letters"
        typer.confirm(f"Remove '{row['name']}' ({row['id']}) with {lost}?", abort=True)
        path = {"subscription": row["id"]}
    ask(handlers.remove_subscription, Params(), path, config)
    STDOUT.print(f"'{name}' is removed.", markup=False)


@subscriptions_app.command("rotate")
def rotate(
    name: NameArgument,
    secret: SecretOption = None,
    overlap: Annotated[float, typer.Option(help="Seconds for which the old secrets also sign.")] = 86_400.0,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the signing secret, and print it. It cannot be shown again."""
    body = read_body(RotateBody, {"secret": secret, "overlap_s": overlap})
    _print_secret(ask(handlers.rotate_secret, Params(), {"subscription": name}, config, body=body), as_json)


def _change(name: str, values: dict[str, Any], config: Path | None, as_json: bool) -> None:
    body = read_body(SubscriptionChange, values)
    _print_one(
        ask(handlers.change_subscription, Params(), {"subscription": name}, config, body=body), as_json
    )


def _print_one(answer: BaseModel, as_json: bool) -> None:
    row = plain(answer)
    _print_warnings(row)
    if as_json:
        print_json(row)
    else:
        id_first = {"id": row["id"], **row}
        id_first.pop("warnings", None)
        fields = [[name, _shown(value)] for name, value in id_first.items()]
        print_table("Subscription", ("field", "value"), fields)


def _shown(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{name}={each}" for name, each in value.items() if each)
    return value


def _print_warnings(row: Mapping[str, Any]) -> None:
    for warning in row.get("warnings", ()):
        STDERR.print(f"warning: {warning}", markup=False, highlight=False)


def _print_secret(answer: BaseModel, as_json: bool) -> None:
    row = plain(answer)
    _print_warnings(row)
    if as_json:
        print_json(row)
        return
    STDOUT.print(row["subscription"]["id"], highlight=False)
    STDOUT.print(row["secret"], highlight=False, markup=False)
    STDERR.print("Id and secret. Store the secret now: it cannot be shown again.")
