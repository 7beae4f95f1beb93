"""`receiver tokens`: tokens for the API."""

from typing import Annotated, Any

import typer

from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, moment, print_json, print_table
from receiver.cli.table_options import tabular
from receiver.http.tokens import SCOPES, create_token, list_tokens, revoke_token
from receiver.maintenance.schema import open_store
from receiver.runtime.clock import WallClock
from receiver.settings.settings import load_settings

tokens_app = typer.Typer(no_args_is_help=True, help="Tokens for the API. Only their hashes are stored.")


@tokens_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Name of the token: the program or person that uses it.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"Scope, repeatable: {', '.join(SCOPES)}. Default: read."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a token and print it. It cannot be shown again."""
    scopes = scope or ["read"]
    with open_store(load_settings(config).store) as store, store.transaction() as connection:
        token = create_token(connection, name, scopes, WallClock().now())
    if as_json:
        print_json({"name": name, "scopes": scopes, "token": token})
    else:
        STDOUT.print(token, highlight=False)
        STDERR.print("Store it now: it cannot be shown again. Send it as `Authorization: Bearer …`.")


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
    name: Annotated[str, typer.Argument(help="Name of the token.")], config: ConfigOption = None
) -> None:
    """Revoke a token with immediate effect."""
    with open_store(load_settings(config).store) as store, store.transaction() as connection:
        revoke_token(connection, name, WallClock().now())
    STDOUT.print(f"'{name}' is revoked.")
