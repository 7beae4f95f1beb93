"""`receiver config`: an example of the settings file, a check of it, and the settings in effect."""

import json
import secrets
import tomllib
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any, get_args

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from receiver.cli.output import STDOUT, ConfigOption, JsonOption, print_json, print_table
from receiver.cli.table_options import tabular
from receiver.cli.tables import Column
from receiver.cli.times import display
from receiver.settings.effective import effective_settings
from receiver.settings.models import AccountSettings, HookKeySettings
from receiver.settings.settings import Settings, load_settings

config_app = typer.Typer(no_args_is_help=True, help="The settings file.")

_WIDTH = 26
"""Maximum characters of a value in a table."""


def _is_table(field: FieldInfo) -> bool:
    """Return whether a setting is a table of settings."""
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


_SECTIONS = tuple(name for name, field in Settings.model_fields.items() if _is_table(field))
"""Tables of the file, in order."""

_EXAMPLES: dict[str, Any] = {
    "hook_keys.name": "k1",
    "accounts.main.base_url": "https://scheduler.example/api/ver1.0",
    "accounts.main.oauth_client_id": "application-id",
    "accounts.main.oauth_client_secret": "application-secret",
    "public_url": "https://hooks.example",
    "console.public_url": "https://receiver.example",
    "console.oidc.issuer": "https://login.example",
    "console.oidc.client_secret": "application-secret",
    "console.oidc.default_role": "viewer",
    "accounts.main.recording_url": "https://pbx.example/recordings/{record}",
    "accounts.main.token_url": "https://scheduler.example/oauth/token",
    "traces.endpoint": "http://127.0.0.1:4318/v1/traces",
    "retention.deliveries_days": 90,
    "retention.set_aside_days": 30,
    "retention.tasks_days": 365,
    "retention.audit_days": 365,
    "delivery.proxy": "http://proxy.example:3128",
    "delivery.no_proxy": "localhost,.example",
}
"""Values of settings without a default. Secrets get a random one."""


@config_app.command("example")
def example() -> None:
    """Print a settings file that explains every setting; defaults are commented out."""
    STDOUT.print("\n".join(example_lines()), markup=False, highlight=False)


@config_app.command("check")
def check(config: ConfigOption = None) -> None:
    """Check the settings; exit 2 if they are invalid."""
    settings = load_settings(config)
    accounts = ", ".join(settings.accounts)
    STDOUT.print(
        f"The settings are valid. Accounts: {accounts}. Hooks: {settings.hook_root}/hooks/.", markup=False
    )


@config_app.command("show")
@tabular
def show(
    *,
    changed: Annotated[bool, typer.Option("--changed", help="Only settings that are not defaults.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the settings in effect, and where each comes from. Secrets are masked.

    Variables take precedence over secret files, these over the settings file. The table cuts long values, and
    names variables and files if the terminal is wide enough; `--csv` and `--json` do not cut.
    """
    found = [one for one in effective_settings(config) if one.source != "default" or not changed]
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [(one.name, _text(one.value), one.source, one.place) for one in found]
    print_table("Settings", ("setting", "value", "from", Column("place", optional=True)), rows)


def _text(value: Any) -> str | None:
    """Return a value as it is written in the settings file, without quotes around a text."""
    text = value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if text is None or display().csv or len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def example_lines() -> Iterator[str]:
    """Yield the lines of the example file. Its signing key is new and random."""
    yield "# Settings. Variables RECEIVER_NAME (nested: RECEIVER_TABLE__NAME) take precedence."
    yield "# A line that is commented out shows the default, or an example if there is none: remove the #."
    nested = ("accounts", "hook_keys", *_SECTIONS, "aliases")
    plain = {name: field for name, field in Settings.model_fields.items() if name not in nested}
    yield from _section("", plain)
    yield "\n[[hook_keys]]"
    yield from _section("hook_keys", HookKeySettings.model_fields)
    yield "\n[accounts.main]"
    yield from _section("accounts.main", AccountSettings.model_fields)
    for name in _SECTIONS:
        yield from _table(name, Settings.model_fields[name])
    yield f"\n# {Settings.model_fields['aliases'].description}"
    yield "[aliases]"
    for name, names in Settings.model_fields["aliases"].default.items():
        yield f"# {name} = {_toml(names)}"


def _table(path: str, field: FieldInfo) -> Iterator[str]:
    """Yield the lines of a table, then those of the tables in it."""
    fields = _model(field).model_fields
    inner = {name: field for name, field in fields.items() if _is_table(field)}
    yield f"\n[{path}]"
    yield from _section(path, {name: field for name, field in fields.items() if name not in inner})
    for name, table in inner.items():
        yield from _table(f"{path}.{name}", table)


def _section(path: str, fields: dict[str, FieldInfo]) -> Iterator[str]:
    for name, field in fields.items():
        yield f"# {field.description}"
        value = field.default
        if value in (None, PydanticUndefined):
            value = secrets.token_hex(32) if "secret" in name else ""
            value = _EXAMPLES.get(f"{path}.{name}".lstrip("."), value)
        mark = "" if field.default is PydanticUndefined else "# "
        yield f"{mark}{name} = {_toml(value)}"


def _model(field: FieldInfo) -> type[BaseModel]:
    kinds = (field.annotation, *get_args(field.annotation))
    return next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    text = f'"{value}"'
    tomllib.loads(f"x = {text}")
    return text
