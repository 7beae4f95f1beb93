"""Options and values that the commands of subscriptions share."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
import typer
from pydantic import ValidationError

from receiver.cli.output import short_moment
from receiver.domain.suggestions import unknown_name
from receiver.domain.validation import validation_text
from receiver.errors import InputError
from receiver.http.endpoint import Params
from receiver.outcomes.subscription import SubscriptionFilter, SubscriptionOptions

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the subscription, or its id.", show_default=False)
]
SecretOption = Annotated[str | None, typer.Option(help="Signing secret. Default: a new random one.")]


def health_text(row: Mapping[str, Any]) -> str | None:
    """Return why a subscription is disabled, or since when it fails and how, else None."""
    if row["reason"]:
        return str(row["reason"])
    if row["failing_since"] is None:
        return None
    return f"failing since {short_moment(row['failing_since'])}: {row['problem'] or 'no deliveries'}"


def read_body(shape: type[Params], values: dict[str, Any]) -> Any:
    """Validate the body. Raises InputError, which names the option."""
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        place = [str(part) for part in problem["loc"] if isinstance(part, str)]
        if problem["type"] == "extra_forbidden" and len(place) == 1:
            raise InputError("--set", unknown_name("option", place[0], shape.model_fields)) from None
        raise InputError(f"--{(place or ['set'])[-1].replace('_', '-')}", validation_text(problem)) from None


def read_settings(pairs: list[str] | None) -> dict[str, Any]:
    """Read NAME=VALUE options as fields of a body; values are JSON, or else text. Raises InputError."""
    values: dict[str, Any] = {}
    for pair in pairs or []:
        name, is_pair, text = pair.partition("=")
        if not is_pair:
            raise InputError("--set", f"NAME=VALUE, not {pair!r}")
        outer, _, inner = name.partition(".")
        try:
            value = text if outer in _TEXTS and text != "null" else orjson.loads(text)
        except orjson.JSONDecodeError:
            value = text
        if inner:
            values.setdefault(outer, {})[inner] = value
        else:
            values[outer] = value
    return values


_TEXTS = ("headers",)
"""Options whose values are texts even if they can be read as JSON."""

FILTERS = [f"filter.{name}" for name in SubscriptionFilter.model_fields]
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
        help=f"Set an option; repeatable: {', '.join((*_OPTIONS, *FILTERS))}, options.NAME of the format, "
        "headers.NAME of requests (null removes it). "
        "Write lists as JSON: filter.types='[\"task.finished\"]'.",
    ),
]
