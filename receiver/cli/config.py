"""`receiver config`: an example of the settings file, and a check of it."""

import secrets
import tomllib
from collections.abc import Iterator
from typing import Any, get_args

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from receiver.cli.output import STDOUT, ConfigOption
from receiver.settings.models import AccountSettings, HookKeySettings
from receiver.settings.settings import Settings, load_settings

config_app = typer.Typer(no_args_is_help=True, help="The settings file.")

_SECTIONS = ("api", "listener", "inbox", "reconcile", "delivery", "analytics", "retention", "traces")
"""Tables of the file, in order."""

_EXAMPLES: dict[str, Any] = {
    "hook_keys.name": "k1",
    "accounts.main.base_url": "https://scheduler.example/api/ver1.0",
    "accounts.main.oauth_client_id": "application-id",
    "accounts.main.oauth_client_secret": "application-secret",
}


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


def example_lines() -> Iterator[str]:
    """Yield the lines of the example file. Its signing key is new and random."""
    yield "# Settings. Variables RECEIVER_NAME (nested: RECEIVER_TABLE__NAME) take precedence."
    nested = ("accounts", "hook_keys", *_SECTIONS, "aliases")
    plain = {name: field for name, field in Settings.model_fields.items() if name not in nested}
    yield from _section("", plain)
    yield "\n[[hook_keys]]"
    yield from _section("hook_keys", HookKeySettings.model_fields)
    yield "\n[accounts.main]"
    yield from _section("accounts.main", AccountSettings.model_fields)
    for name in _SECTIONS:
        yield f"\n[{name}]"
        yield from _section(name, _model(Settings.model_fields[name]).model_fields)
    yield f"\n# {Settings.model_fields['aliases'].description}"
    yield "[aliases]"
    for name, names in Settings.model_fields["aliases"].default.items():
        yield f"# {name} = {_toml(names)}"


def _section(path: str, fields: dict[str, FieldInfo]) -> Iterator[str]:
    for name, field in fields.items():
        yield f"# {field.description}"
        if field.default is PydanticUndefined:
            yield f"{name} = {_toml(_EXAMPLES.get(f'{path}.{name}') or secrets.token_hex(32))}"
        else:
            value = "" if field.default is None else field.default
            yield f"# {name} = {_toml(value)}"


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
