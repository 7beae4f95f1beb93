"""`receiver users`: users of the console."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from receiver.cli.local_api import cli_caller
from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, moment, print_json, print_table
from receiver.cli.table_options import tabular
from receiver.cli.tables import Column
from receiver.console.sign_in import users
from receiver.console.sign_in.links import VALID_S, make_link
from receiver.console.sign_in.passwords import hash_password
from receiver.errors import InputError
from receiver.http.audit import AuditAction, AuditEntry, record_entry
from receiver.http.roles import Role
from receiver.maintenance.schema import open_store
from receiver.runtime.clock import WallClock
from receiver.settings.settings import Settings, load_settings

users_app = typer.Typer(no_args_is_help=True, help="Users of the console: roles, passwords, links.")

_COLUMNS = ("name", "role", "numbers", "signs in by", "disabled", "created")

NameArgument = Annotated[str, typer.Argument(help="Name of the user.")]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option("--password-file", help="Read the password from this file instead of asking for it."),
]


@users_app.command("add")
def add(
    *,
    name: Annotated[
        str, typer.Argument(help="Name of the user, by which they sign in; such as an email address.")
    ],
    role: Annotated[Role, typer.Option(help="What the user may do.")] = "viewer",
    numbers: Annotated[bool, typer.Option("--numbers", help="Show the user phone numbers in full.")] = False,
    password_file: PasswordFileOption = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="The user signs in by links of `receiver users link` only.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Add a user. Asks for the password twice."""
    settings = load_settings(config)
    if no_password and password_file:
        raise InputError("--no-password", "leave it out, or --password-file")
    password_hash = None if no_password else hash_password(_password(password_file))
    values = {"role": role, "numbers": numbers}

    def work(connection: Connection) -> str:
        return users.add_user(connection, name, WallClock().now(), **values, password_hash=password_hash)

    _change(settings, "user.add", work, values)
    STDOUT.print(
        f"'{users.user_name(name)}' is added. Sign in at {settings.console_url}/console", highlight=False
    )


@users_app.command("list")
@tabular
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List all users by name."""
    with open_store(load_settings(config).store) as store, store.snapshot() as connection:
        rows = users.list_users(connection)
    shown: list[dict[str, Any]] = [
        {
            "name": row.name,
            "role": row.role,
            "numbers": bool(row.numbers),
            "signs_in_by": _ways(row),
            "disabled": moment(row.disabled_at),
            "created": moment(row.created_at),
        }
        for row in rows
    ]
    if as_json:
        print_json(shown)
        return
    heads = [Column(name, optional=name == "created") for name in _COLUMNS]
    lines = [[*(row | {"numbers": "yes" if row["numbers"] else None}).values()] for row in shown]
    print_table("Users of the console", heads, lines)


@users_app.command("change")
def change(
    *,
    name: NameArgument,
    role: Annotated[Role | None, typer.Option(help="What the user may do.")] = None,
    numbers: Annotated[
        bool | None, typer.Option("--numbers/--no-numbers", help="Whether phone numbers are shown in full.")
    ] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether the user may sign in.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Change a user, who is signed out everywhere."""
    given = {"role": role, "numbers": numbers, "enabled": enabled}
    detail = {name: value for name, value in given.items() if value is not None}
    if not detail:
        raise InputError("--role", "give --role, --numbers, --no-numbers, --enable or --disable")
    changes: dict[str, Any] = {name: value for name, value in detail.items() if name != "enabled"}
    if enabled is not None:
        changes["disabled_at"] = None if enabled else WallClock().now()

    def work(connection: Connection) -> str:
        users.change_user(connection, name, changes)
        return users.user_name(name)

    _change(load_settings(config), "user.change", work, detail)
    _print(f"'{users.user_name(name)}' is changed.")


@users_app.command("password")
def password(
    name: NameArgument, password_file: PasswordFileOption = None, config: ConfigOption = None
) -> None:
    """Set a user's password, and sign the user out everywhere. Asks for it twice."""
    settings = load_settings(config)
    with open_store(settings.store) as store, store.snapshot() as connection:
        users.require_user(connection, name)
    password_hash = hash_password(_password(password_file))

    def work(connection: Connection) -> str:
        users.change_user(connection, name, {"password_hash": password_hash})
        return users.user_name(name)

    _change(settings, "user.password", work)
    _print(f"The password of '{users.user_name(name)}' is set.")


@users_app.command("remove")
def remove(name: NameArgument, config: ConfigOption = None) -> None:
    """Remove a user, who is signed out everywhere."""

    def work(connection: Connection) -> str:
        users.remove_user(connection, name)
        return users.user_name(name)

    _change(load_settings(config), "user.remove", work)
    _print(f"'{users.user_name(name)}' is removed.")


@users_app.command("link")
def link(name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print a link that signs a user in once, within 15 minutes."""
    settings = load_settings(config)
    now = WallClock().now()
    made: list[str] = []

    def work(connection: Connection) -> str:
        made.append(make_link(connection, settings.console_url, name, now))
        return users.user_name(name)

    _change(settings, "user.link", work)
    if as_json:
        print_json({"name": users.user_name(name), "link": made[0], "expires": moment(now + VALID_S)})
    else:
        STDOUT.print(made[0], highlight=False)
        STDERR.print(
            "It signs in once, within 15 minutes. Who has it signs in as this user: send it to nobody else."
        )


def _change(
    settings: Settings,
    action: AuditAction,
    work: Callable[[Connection], str],
    detail: dict[str, Any] | None = None,
) -> None:
    """Run `work`, which returns the user's name, and record it in the same transaction."""
    with open_store(settings.store) as store, store.transaction() as connection:
        name = work(connection)
        at = WallClock(settings.clock_speed, settings.clock_origin).now()
        record_entry(connection, at, AuditEntry(cli_caller(()).actor, action, f"user:{name}", detail or {}))


def _password(path: Path | None) -> str:
    """Return the password in the file, or ask for it twice."""
    if path is not None:
        return path.read_text("utf-8").rstrip("\r\n")
    if not sys.stdin.isatty():
        raise InputError("--password-file", "needed, since there is no terminal to ask on")
    typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return typed


def _print(text: str) -> None:
    STDOUT.print(text, markup=False, highlight=False)


def _ways(row: Any) -> str | None:
    """Return how the user can sign in, besides links."""
    ways = {"password": row.password_hash, "OpenID": row.subject}
    return ", ".join(way for way, has in ways.items() if has) or "link"
