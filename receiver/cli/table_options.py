"""Options that decorators add to commands: `@tabular` (a table), `@zoned` (moments), `@timed` (a period)."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any

import typer

from receiver.cli.output import SinceOption
from receiver.cli.times import PeriodOptions, calendar_of, display
from receiver.domain.periods import AGES, PERIODS

CsvOption = Annotated[
    bool, typer.Option("--csv", help="Print CSV instead of a table: all columns, moments in ISO 8601.")
]
ZoneOption = Annotated[
    str | None,
    typer.Option("--zone", help="Time zone, such as Europe/Moscow. Default: $TZ, else that of the settings."),
]
UntilOption = Annotated[
    str | None, typer.Option("--until", help="Before this moment; a day is included as a whole.")
]
LastOption = Annotated[str | None, typer.Option("--last", help=f"The latest {AGES}, until now.")]
PeriodOption = Annotated[
    str | None, typer.Option("--period", help=f"One of {', '.join(PERIODS)}; or a day or month.")
]

Command = Callable[..., Any]


def zoned(command: Command) -> Command:
    """Add `--zone` to a command that prints moments."""
    return with_options(command, {"zone": ZoneOption}, _use_zone)


def tabular(command: Command) -> Command:
    """Add `--csv` and `--zone` to a command that prints one table with `print_table`."""

    def use(given: dict[str, Any]) -> dict[str, Any]:
        display().csv = given["csv_"]
        return _use_zone(given)

    return with_options(command, {"csv_": CsvOption, "zone": ZoneOption}, use)


def timed(command: Command) -> Command:
    """Add `--since`, `--until`, `--last` and `--period`: the parameter `period` of the command, which is a
    `PeriodOptions`. Combine it with `zoned` or `tabular`, written above it.
    """
    names = ("since", "until", "last", "period")
    shapes = (SinceOption, UntilOption, LastOption, PeriodOption)

    def use(given: dict[str, Any]) -> dict[str, Any]:
        return {"period": PeriodOptions(*(given[name] for name in names))}

    return with_options(command, dict(zip(names, shapes, strict=True)), use, replaced="period")


def _use_zone(given: dict[str, Any]) -> dict[str, Any]:
    display().zone = zone = given["zone"]
    if zone is not None:
        calendar_of(zone)
    return {}


def with_options(
    command: Command,
    options: Mapping[str, Any],
    use: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    replaced: str = "",
) -> Command:
    """Return the command with further options. `use`: takes their values, and returns parameters of the
    command; `replaced`: the parameter that it returns.
    """
    shown = inspect.signature(command, eval_str=True)

    @wraps(command)
    def run(*arguments: Any, **given: Any) -> Any:
        mine = {name: given.pop(name) for name in options}
        return command(*arguments, **given, **use(mine))

    parameters = [each for name, each in shown.parameters.items() if name != replaced]
    at = next((at for at, each in enumerate(parameters) if each.name == "config"), len(parameters))
    kind = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter(name, kind, default=False if shape is CsvOption else None, annotation=shape)
        for name, shape in options.items()
    ]
    if at < len(parameters) and parameters[at].kind is not kind:
        parameters = [each.replace(kind=kind) if i >= at else each for i, each in enumerate(parameters)]
    signature = shown.replace(parameters=[*parameters[:at], *added, *parameters[at:]])
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()}
    return run
