"""`receiver tokens`: who may use /v1."""

from typing import Annotated, Any

import typer

from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, moment, print_json, print_table
from receiver.http.tokens import SCOPES, create_token, list_tokens, revoke_token
from receiver.maintenance.schema import create_tables
from receiver.runtime.clock import WallClock
from receiver.settings.settings import load_settings
from receiver.storage.engine import Store

tokens_app = typer.Typer(no_args_is_help=True, help="Who may use /v1. Only hashes of tokens are kept.")


def _open(config: ConfigOption) -> Store:
    store = Store(load_settings(config).store)
    create_tables(store)
    return store


@tokens_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What or whom the token is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"What it may do, repeatable: {', '.join(SCOPES)}. Default: read."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token and print it, this once."""
    scopes = scope or ["read"]
    store = _open(config)
    with store.transaction() as connection:
        token = create_token(connection, name, scopes, WallClock().now())
    store.close()
    if as_json:
        print_json({"name": name, "scopes": scopes, "token": token})
    else:
        STDOUT.print(token, highlight=False)
        STDERR.print("Keep it now: it cannot be shown again. Use it as `Authorization: Bearer …`.")


@tokens_app.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """All tokens, by name."""
    store = _open(config)
    with store.snapshot() as connection:
        rows = list_tokens(connection)
    store.close()
    shown: list[dict[str, Any]] = [
        {
            "name": row.name,
            "scopes": sorted(row.scopes),
            "created": moment(row.created_at),
            "revoked": moment(row.revoked_at),
        }
        for row in rows
    ]
    if as_json:
        print_json(shown)
    else:
        columns = ("name", "scopes", "created", "revoked")
        lines = [row | {"scopes": ", ".join(row["scopes"])} for row in shown]
        print_table("API tokens", columns, [[line[column] for column in columns] for line in lines])


@tokens_app.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="The token's name.")], config: ConfigOption = None
) -> None:
    """Make a token useless at once."""
    store = _open(config)
    with store.transaction() as connection:
        revoke_token(connection, name, WallClock().now())
    store.close()
    STDOUT.print(f"'{name}' is revoked.")
