"""`receiver subscriptions test`, `retry` and `replay`: deliveries that a person asks for."""

from typing import Annotated, Any

import typer

from receiver.cli.local_api import ask, plain
from receiver.cli.output import STDOUT, ConfigOption, JsonOption, counts_text, print_error, print_json
from receiver.cli.subscription_options import FILTERS, NameArgument, read_body, read_settings
from receiver.cli.table_options import timed, zoned
from receiver.cli.times import PeriodOptions
from receiver.errors import InputError
from receiver.http.endpoint import Params
from receiver.outcomes.params import ResendBody, RetryBody
from receiver.outcomes.resend_endpoints import resend as resend_outcomes
from receiver.outcomes.resend_endpoints import retry_messages

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Send nothing; only print how many.")]


def send_test(name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Send a test event at once and print the answer; exit 1 if it does not arrive."""
    from receiver.outcomes.send_endpoints import send_test as handler  # noqa: PLC0415 -- slow to import

    _print_result(plain(ask(handler, Params(), {"subscription": name}, config)), as_json)


@zoned
@timed
def retry(
    *,
    name: NameArgument,
    period: PeriodOptions,
    message: Annotated[
        int | None, typer.Option(help="Send this message at once and print the answer; exit 1 if it fails.")
    ] = None,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Retry all messages that wait for a later attempt.")
    ] = False,
    dead: Annotated[bool, typer.Option("--dead", help="Resend all dead letters.")] = False,
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Retry one message at once, or let a running receiver retry those that wait, and dead letters."""
    if message is None:
        given = {"waiting": waiting, "dead": dead, "dry_run": dry_run, **period.parameters()}
        if not (waiting or dead):
            raise InputError("retry", "give --message NUMBER, --waiting, --dead, or both of these")
        body = read_body(RetryBody, given)
        _print_counts(
            plain(ask(retry_messages, Params(), {"subscription": name}, config, body=body)), as_json
        )
        return
    if waiting or dead or dry_run or period.parameters():
        raise InputError("--message", "stands alone: leave out the other options")
    from receiver.outcomes.send_endpoints import retry_message  # noqa: PLC0415 -- slow to import

    path = {"subscription": name, "message": str(message)}
    _print_result(plain(ask(retry_message, Params(), path, config)), as_json)


@zoned
@timed
def resend(
    *,
    name: NameArgument,
    period: PeriodOptions,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help=f"Filter outcomes; repeatable: {', '.join(FILTERS)}, as JSON.",
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
    body = read_body(ResendBody, given | read_settings(settings))
    answer = plain(ask(resend_outcomes, Params(), {"subscription": name}, config, body=body))
    if as_json:
        print_json(answer)
        return
    kinds = counts_text(answer["by_type"])
    STDOUT.print(
        f"{'Would send' if dry_run else 'Sending'} {answer['sent']} events" + (f": {kinds}" if kinds else "")
    )


def _print_result(result: dict[str, Any], as_json: bool) -> None:
    """Print how a delivery ended; exit 1 if it failed."""
    if as_json:
        print_json(result)
    elif result["delivered"]:
        took = f"{result['status']} in {round(1000 * result['took_s'])} ms"
        STDOUT.print(f"{took}, after {result['sent'] - 1} messages" if result.get("sent", 1) > 1 else took)
    else:
        print_error(result["problem"])
        if result["answer"]:
            STDOUT.print(result["answer"], markup=False, highlight=False)
    if not result["delivered"]:
        raise typer.Exit(1)


def _print_counts(counts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(counts)
        return
    verb = "Would retry" if counts["dry_run"] else "Retrying"
    STDOUT.print(f"{verb} {counts['waiting']} waiting messages and {counts['dead']} dead letters")
