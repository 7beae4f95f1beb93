"""`receiver subscriptions preview`: the request that a subscription would be sent."""

import json
from typing import Annotated

import typer

from receiver.cli.local_api import ask, plain, query_of
from receiver.cli.output import (
    STDOUT,
    AccountOption,
    ConfigOption,
    JsonOption,
    NumbersOption,
    print_error,
    print_json,
)
from receiver.cli.subscription_options import NameArgument
from receiver.outcomes.preview import PreviewQuery, preview


def show_request(
    *,
    name: NameArgument,
    task: Annotated[
        str | None, typer.Option(help="The task: your ref, or the vendor's id. Default: an example.")
    ] = None,
    account: AccountOption = None,
    event: Annotated[
        str | None, typer.Option("--type", help="Type of the event. Default: the last one of the task.")
    ] = None,
    numbers: NumbersOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the request that a task's last outcome, or an example, would make. Sends nothing."""
    query = query_of(PreviewQuery, task=task, account=account, type=event)
    shown = plain(ask(preview, query, {"subscription": name}, config, numbers=numbers))
    if as_json:
        print_json(shown)
        return
    if shown["method"]:
        headers = [f"{header}: {value}" for header, value in shown["headers"].items()]
        lines = [f"{shown['method']} {shown['url']}", *headers, "", _readable(shown["body"])]
        STDOUT.print("\n".join(lines), markup=False, highlight=False)
    if shown["problem"]:
        print_error(f"it would not be sent: {shown['problem']}")


def _readable(body: str) -> str:
    """Return JSON with line breaks, and any other body as it is."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except json.JSONDecodeError:
        return body
