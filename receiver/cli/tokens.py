"""`receiver tokens`: tokens for the API."""

from pathlib import Path
from typing import Annotated, Any

import typer

from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, moment, print_json, print_table
from receiver.cli.table_options import tabular
from receiver.cli.tables import Column
from receiver.domain.periods import AGES, read_age
from receiver.errors import InputError
from receiver.http.endpoint import Params
from receiver.http.tokens import OWN, SCOPES, TokenLimits, create_token, list_tokens, revoke_token
from receiver.maintenance.schema import open_store
from receiver.runtime.clock import WallClock
from receiver.settings.settings import load_settings

tokens_app = typer.Typer(no_args_is_help=True, help="Tokens for the API. Only their hashes are stored.")


@tokens_app.command("create")
def create(
    *,
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name of the token: the program or person that uses it. Needed without --subscription."
        ),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"Scope, repeatable: {', '.join(SCOPES)}. Default: read."),
    ] = None,
    subscription: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only for this subscription: its messages, retries, tests, previews, and rotation of its "
            "secret.",
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="AGE", help="Expires after this time, such as 90d. Default: never.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a token and print it. It cannot be shown again."""
    expires_at = _expires_at(expires, config)
    if subscription is not None:
        if scope:
            raise InputError("--scope", "leave it out: a token for one subscription has no scopes")
        made = _create_own(subscription, name, expires_at, config)
    else:
        if name is None:
            raise InputError("NAME", "name the program or person that uses the token")
        made = _create(name, scope or ["read"], expires_at, config)
    if as_json:
        print_json(made)
    else:
        STDOUT.print(made["token"], highlight=False)
        STDERR.print("Store it now: it cannot be shown again. Send it as `Authorization: Bearer …`.")


def _expires_at(text: str | None, config: Path | None) -> float | None:
    age = read_age(text) if text is not None else None
    if text is not None and not age:
        raise InputError("--expires", f"not a length of time: {text[:40]!r}; use {AGES}")
    settings = load_settings(config)
    now = WallClock(settings.clock_speed, settings.clock_origin).now()
    return now + age if age else None


def _create(name: str, scopes: list[str], expires_at: float | None, config: Path | None) -> dict[str, Any]:
    limits = TokenLimits(expires_at=expires_at)
    with open_store(load_settings(config).store) as store, store.transaction() as connection:
        token = create_token(connection, name, scopes, WallClock().now(), limits)
    shown = {"name": name, "scopes": scopes, "token": token}
    return shown | {"subscription": None, "expires": moment(expires_at)}


def _create_own(
    subscription: str, name: str | None, expires_at: float | None, config: Path | None
) -> dict[str, Any]:
    """Create a token for this subscription alone."""
    # Other commands of tokens need no API, whose import is slow.
    from receiver.cli.local_api import ask  # noqa: PLC0415
    from receiver.outcomes import subscription_tokens  # noqa: PLC0415

    body = subscription_tokens.TokenBody.model_construct(name=name, expires_at=expires_at)
    path = {"subscription": subscription}
    made = ask(subscription_tokens.create_subscription_token, Params(), path, config, body=body)
    shown = {"name": made.name, "scopes": [OWN], "token": made.token}
    return shown | {"subscription": made.subscription, "expires": moment(expires_at)}


@tokens_app.command("list")
@tabular
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List all tokens by name."""
    with open_store(load_settings(config).store) as store, store.snapshot() as connection:
        rows = list_tokens(connection)
    shown: list[dict[str, Any]] = [
        {
            "name": row.name,
            "scopes": sorted(row.scopes),
            "created": moment(row.created_at),
            "revoked": moment(row.revoked_at),
            "expires": moment(row.expires_at),
            "subscription": row.subscription,
        }
        for row in rows
    ]
    if as_json:
        print_json(shown)
    else:
        columns = ("name", "scopes", "expires", "revoked", "subscription", "created")
        lines = [row | {"scopes": ", ".join(row["scopes"])} for row in shown]
        heads = [Column(name, optional=name in ("subscription", "created")) for name in columns]
        print_table("API tokens", heads, [[line[column] for column in columns] for line in lines])


@tokens_app.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="Name of the token.")], config: ConfigOption = None
) -> None:
    """Revoke a token with immediate effect."""
    with open_store(load_settings(config).store) as store, store.transaction() as connection:
        revoke_token(connection, name, WallClock().now())
    STDOUT.print(f"'{name}' is revoked.")
