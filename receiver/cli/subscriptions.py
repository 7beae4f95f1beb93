"""`receiver subscriptions`: who is told of outcomes, and what became of it."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from pydantic import BaseModel, ValidationError

from receiver.cli.local_api import ask, plain, query_of
from receiver.cli.options import CursorOption, LimitOption
from receiver.cli.output import (
    STDERR,
    STDOUT,
    ConfigOption,
    JsonOption,
    flat,
    print_json,
    print_table,
    say_next,
    short_moment,
)
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

subscriptions_app = typer.Typer(no_args_is_help=True, help="Who is told of outcomes, and what became of it.")

Name = Annotated[str, typer.Argument(metavar="ID", help="The subscription's id.")]
SecretOption = Annotated[str | None, typer.Option(help="The secret that signs; left out, one is made.")]


def _body(shape: type[Params], values: dict[str, Any]) -> Any:
    """Raises InputError that names the option."""
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        place = [str(part) for part in problem["loc"] if isinstance(part, str)]
        raise InputError(f"--{(place or ['set'])[-1].replace('_', '-')}", problem["msg"]) from None


def _settings(pairs: list[str] | None) -> dict[str, Any]:
    """`NAME=VALUE` options as fields of a body; a value is JSON, or else a text. Raises InputError."""
    values: dict[str, Any] = {}
    for pair in pairs or []:
        name, is_pair, text = pair.partition("=")
        if not is_pair:
            raise InputError("--set", f"NAME=VALUE, not {pair!r}")
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = text
        outer, _, inner = name.partition(".")
        if inner:
            values.setdefault(outer, {})[inner] = value
        else:
            values[outer] = value
    return values


_FILTERS = [f"filter.{name}" for name in SubscriptionFilter.model_fields]
_OPTIONS = [
    name for name in SubscriptionOptions.model_fields if name not in ("name", "url", "filter", "options")
]

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help=f"Set an option; repeatable: {', '.join((*_OPTIONS, *_FILTERS))}, options.NAME of the format. "
        "Write lists as JSON: filter.types='[\"task.finished\"]'.",
    ),
]


@subscriptions_app.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """All subscriptions, with what waits for each."""
    answer = plain(ask(handlers.list_subscriptions, Params(), {}, config))
    if as_json:
        print_json(answer)
        return
    columns = ("id", "name", "url", "format", "state", "pending", "dead", "reason")
    print_table(
        "Subscriptions", columns, [[row[each] for each in columns] for row in answer["subscriptions"]]
    )


@subscriptions_app.command("show")
def show(name: Name, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """One subscription, with what waits for it."""
    _print_one(ask(handlers.get_subscription, Params(), {"subscription": name}, config), as_json)


@subscriptions_app.command("add")
def add(
    *,
    name: Annotated[str, typer.Argument(help="What it is called.")],
    url: Annotated[str, typer.Argument(help="Where outcomes are posted to.")],
    secret: SecretOption = None,
    settings: SetOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Subscribe a CRM to outcomes told from now on; print its secret, this once."""
    values = {"name": name, "url": url, "secret": secret, **_settings(settings)}
    answer = ask(handlers.add_subscription, Params(), {}, config, body=_body(SubscriptionBody, values))
    _print_secret(answer, as_json)


@subscriptions_app.command("change")
def change(
    name: Name,
    settings: SetOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is set; what is not set stays."""
    _change(name, _settings(settings), config, as_json)


@subscriptions_app.command("pause")
def pause(name: Name, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Deliver nothing for now; messages are kept."""
    _change(name, {"state": "paused"}, config, as_json)


@subscriptions_app.command("resume")
def resume(name: Name, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Go on, also with one that was disabled."""
    _change(name, {"state": "active"}, config, as_json)


@subscriptions_app.command("remove")
def remove(name: Name, config: ConfigOption = None) -> None:
    """Take it away, with all its messages."""
    ask(handlers.remove_subscription, Params(), {"subscription": name}, config)
    STDOUT.print(f"'{name}' is removed.", markup=False)


@subscriptions_app.command("rotate")
def rotate(
    name: Name,
    secret: SecretOption = None,
    overlap: Annotated[
        float, typer.Option(help="Seconds for which the old secrets sign as well.")
    ] = 86_400.0,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """A new secret; print it, this once."""
    body = _body(RotateBody, {"secret": secret, "overlap_s": overlap})
    _print_secret(ask(handlers.rotate_secret, Params(), {"subscription": name}, config, body=body), as_json)


@subscriptions_app.command("test")
def send_test(name: Name, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Have a running receiver send it an event that says only that it arrives."""
    answer = plain(ask(handlers.send_test, Params(), {"subscription": name}, config))
    if as_json:
        print_json(answer)
    else:
        STDOUT.print(
            f"On its way; `receiver subscriptions message {answer['message']}` tells what comes of it."
        )


@subscriptions_app.command("replay")
def resend(
    *,
    name: Name,
    since: Annotated[str | None, typer.Option(help="Told at this moment or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Told before this moment.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help=f"Filter outcomes; repeatable: {', '.join(_FILTERS)}, as JSON.",
        ),
    ] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Only its dead letters.")] = False,
    event: Annotated[list[str] | None, typer.Option(help="Only this event; repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send outcomes again, or at last."""
    values = {"since": since, "until": until, "dead": dead, "events": event or [], "dry_run": dry_run}
    given = {name: value for name, value in values.items() if value is not None}
    body = _body(ResendBody, given | _settings(settings))
    answer = plain(ask(handlers.resend, Params(), {"subscription": name}, config, body=body))
    if as_json:
        print_json(answer)
        return
    kinds = flat(answer["by_type"])
    STDOUT.print(
        f"{'Would send' if dry_run else 'Sending'} {answer['sent']} events" + (f": {kinds}" if kinds else "")
    )


@subscriptions_app.command("messages")
def messages(
    *,
    name: Name,
    state: Annotated[
        str | None, typer.Option(help="Only these: waiting, held, delivered, dead, dropped.")
    ] = None,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """What became of each outcome, newest first."""
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
    say_next(page.next_cursor)


@subscriptions_app.command("message")
def message(
    seq: Annotated[int, typer.Argument(help="The message's number.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every attempt to deliver one message."""
    answer = plain(ask(get_message, Params(), {"message": str(seq)}, config))
    if as_json:
        print_json(answer)
        return
    told = answer["message"]
    STDOUT.print(f"{told['type']} {told['event']}: {told['state']}", highlight=False)
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
    STDERR.print("The id, and the secret: keep it now, it cannot be shown again.")
