"""`receiver subscriptions`: subscriptions of CRMs to outcomes, and their messages."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError

from receiver.cli.local_api import ask, plain, query_of
from receiver.cli.output import (
    STDERR,
    STDOUT,
    ConfigOption,
    CursorOption,
    JsonOption,
    LimitOption,
    counts_text,
    print_cursor,
    print_json,
    print_table,
    short_moment,
)
from receiver.cli.set_option import read_settings
from receiver.cli.table_options import tabular, timed, zoned
from receiver.cli.times import PeriodOptions
from receiver.errors import InputError
from receiver.http.endpoint import Params
from receiver.outcomes import subscription_endpoints as handlers
from receiver.outcomes.message_endpoints import get_message, list_messages
from receiver.outcomes.params import (
    MessageQuery,
    ResendBody,
    RotateBody,
    SubscriptionBody,
    SubscriptionChange,
)
from receiver.outcomes.subscription import SubscriptionFilter, SubscriptionOptions

subscriptions_app = typer.Typer(
    no_args_is_help=True, help="Subscriptions of CRMs to outcomes, and their messages."
)

Name = Annotated[str, typer.Argument(metavar="ID", help="Id of the subscription.")]
SecretOption = Annotated[str | None, typer.Option(help="Signing secret. Default: a new random one.")]


def _body(shape: type[Params], values: dict[str, Any]) -> Any:
    """Validate the body. Raises InputError, which names the option."""
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        place = [str(part) for part in problem["loc"] if isinstance(part, str)]
        raise InputError(f"--{(place or ['set'])[-1].replace('_', '-')}", problem["msg"]) from None


_FILTERS = [f"filter.{name}" for name in SubscriptionFilter.model_fields]
_OPTIONS = [
    name
    for name in SubscriptionOptions.model_fields
    if name not in ("name", "url", "filter", "options", "headers")
]

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help=f"Set an option; repeatable: {', '.join((*_OPTIONS, *_FILTERS))}, options.NAME of the format, "
        "headers.NAME of requests (null removes it). "
        "Write lists as JSON: filter.types='[\"task.finished\"]'.",
    ),
]


@subscriptions_app.command("list")
@tabular
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List all subscriptions, with their pending messages."""
    answer = plain(ask(handlers.list_subscriptions, Params(), {}, config))
    if as_json:
        print_json(answer)
        return
    columns = ("id", "name", "url", "format", "state", "pending", "dead", "reason")
    print_table(
        "Subscriptions", columns, [[row[each] for each in columns] for row in answer["subscriptions"]]
    )


@subscriptions_app.command("show")
@zoned
def show(name: Name, config: ConfigOption = None, as_json: JsonOption = False) -> None:
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
    answer = ask(handlers.add_subscription, Params(), {}, config, body=_body(SubscriptionBody, values))
    _print_secret(answer, as_json)


@subscriptions_app.command("change")
def change(
    name: Name,
    settings: SetOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change options; the others stay."""
    _change(name, read_settings(settings), config, as_json)


@subscriptions_app.command("pause")
def pause(name: Name, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Stop deliveries; messages are kept."""
    _change(name, {"state": "paused"}, config, as_json)


@subscriptions_app.command("resume")
def resume(name: Name, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Resume deliveries of a paused or disabled subscription."""
    _change(name, {"state": "active"}, config, as_json)


@subscriptions_app.command("remove")
def remove(name: Name, config: ConfigOption = None) -> None:
    """Delete a subscription and all its messages."""
    ask(handlers.remove_subscription, Params(), {"subscription": name}, config)
    STDOUT.print(f"'{name}' is removed.", markup=False)


@subscriptions_app.command("rotate")
def rotate(
    name: Name,
    secret: SecretOption = None,
    overlap: Annotated[float, typer.Option(help="Seconds for which the old secrets also sign.")] = 86_400.0,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the signing secret, and print it. It cannot be shown again."""
    body = _body(RotateBody, {"secret": secret, "overlap_s": overlap})
    _print_secret(ask(handlers.rotate_secret, Params(), {"subscription": name}, config, body=body), as_json)


@subscriptions_app.command("test")
def send_test(name: Name, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Send a test event, by a running receiver."""
    answer = plain(ask(handlers.send_test, Params(), {"subscription": name}, config))
    if as_json:
        print_json(answer)
    else:
        STDOUT.print(f"Queued; `receiver subscriptions message {answer['message']}` shows the result.")


@subscriptions_app.command("replay")
@zoned
@timed
def resend(
    *,
    name: Name,
    period: PeriodOptions,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help=f"Filter outcomes; repeatable: {', '.join(_FILTERS)}, as JSON.",
        ),
    ] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Only dead letters.")] = False,
    event: Annotated[list[str] | None, typer.Option(help="Only this event; repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be sent.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Resend outcomes, or send those that were never delivered."""
    given = {"dead": dead, "events": event or [], "dry_run": dry_run, **period.parameters()}
    body = _body(ResendBody, given | read_settings(settings))
    answer = plain(ask(handlers.resend, Params(), {"subscription": name}, config, body=body))
    if as_json:
        print_json(answer)
        return
    kinds = counts_text(answer["by_type"])
    STDOUT.print(
        f"{'Would send' if dry_run else 'Sending'} {answer['sent']} events" + (f": {kinds}" if kinds else "")
    )


@subscriptions_app.command("messages")
@tabular
def messages(
    *,
    name: Name,
    state: Annotated[
        str | None,
        typer.Option(help="Only messages in this state: waiting, held, delivered, dead or dropped."),
    ] = None,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List messages of a subscription, newest first."""
    query = query_of(MessageQuery, state=state, limit=limit, cursor=cursor)
    page = ask(list_messages, query, {"subscription": name}, config)
    answer = plain(page)
    if as_json:
        print_json(answer)
        return
    columns = ("seq", "event", "type", "state", "attempts", "replay", "made_at", "due_at")
    rows = [
        row | {"made_at": short_moment(row["made_at"]), "due_at": short_moment(row["due_at"])}
        for row in answer["messages"]
    ]
    print_table("Messages", columns, [[row[each] for each in columns] for row in rows])
    print_cursor(page.next_cursor)


@subscriptions_app.command("message")
@tabular
def message(
    seq: Annotated[int, typer.Argument(help="Number of the message.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one message with all its delivery attempts."""
    answer = plain(ask(get_message, Params(), {"message": str(seq)}, config))
    if as_json:
        print_json(answer)
        return
    message_ = answer["message"]
    STDOUT.print(f"{message_['type']} {message_['event']}: {message_['state']}", highlight=False)
    columns = ("number", "at", "took_s", "status", "problem", "answer")
    rows = [row | {"at": short_moment(row["at"])} for row in answer["postings"]]
    print_table("Attempts", columns, [[row[each] for each in columns] for row in rows])


def _change(name: str, values: dict[str, Any], config: Path | None, as_json: bool) -> None:
    body = _body(SubscriptionChange, values)
    _print_one(
        ask(handlers.change_subscription, Params(), {"subscription": name}, config, body=body), as_json
    )


def _print_one(answer: BaseModel, as_json: bool) -> None:
    row = plain(answer)
    if as_json:
        print_json(row)
    else:
        id_first = {"id": row["id"], **row}
        fields = [[name, _shown(value)] for name, value in id_first.items()]
        print_table("Subscription", ("field", "value"), fields)


def _shown(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{name}={each}" for name, each in value.items() if each)
    return value


def _print_secret(answer: BaseModel, as_json: bool) -> None:
    row = plain(answer)
    if as_json:
        print_json(row)
        return
    STDOUT.print(row["subscription"]["id"], highlight=False)
    STDOUT.print(row["secret"], highlight=False, markup=False)
    STDERR.print("Id and secret. Store the secret now: it cannot be shown again.")
