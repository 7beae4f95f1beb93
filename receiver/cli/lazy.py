"""Commands whose modules are imported when they run, so that help and version are quick."""

import gc
import re
import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


def configure_cli_logs() -> None:
    """Log warnings and errors to standard error. Commands that never log skip it: it imports structlog."""
    from receiver.observability.logs import configure_logs  # noqa: PLC0415

    configure_logs("console", "warning")


def _import(name: str) -> ModuleType:
    """Import a module without garbage collection, and exclude from it what was imported.

    Collections, the ones at exit too, would take a third of a short command's processor time.
    """
    if name in sys.modules:
        return sys.modules[name]
    gc.disable()
    try:
        module = import_module(name)
        gc.freeze()
    finally:
        gc.enable()
    return module


class LazyCommand(NamedTuple):
    """A function or a group of commands. `help`: the first paragraph of its own help text."""

    module: str
    attribute: str
    help: str

    def load(self, name: str) -> Any:
        """Return the command itself."""
        found = getattr(_import(self.module), self.attribute)
        if "structlog" in sys.modules:
            configure_cli_logs()
        if isinstance(found, typer.Typer):
            return typer.main.get_group(found)
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name)(found)
        return typer.main.get_command(alone)


def _plain(error: typer.BadParameter) -> str:
    """Return the text of an error about an option, with the choice that was probably meant."""
    cause: Any = error.__cause__
    if not hasattr(cause, "errors"):
        return error.message
    from difflib import get_close_matches  # noqa: PLC0415 -- only needed after an error

    from receiver.domain.validation import validation_text  # noqa: PLC0415 -- the same

    text = validation_text(cause.errors(include_url=False)[0])
    given, *choices = re.findall(r"'([^']*)'", text) or [""]
    near = get_close_matches(given, choices, 1)
    return f"{text.rstrip('.')}; did you mean '{near[0]}'?" if near else text


class LazyGroup(TyperGroup):
    """A group with commands that are listed without being imported. Subclasses set `lazy`: name → command."""

    lazy: ClassVar[Mapping[str, LazyCommand]] = {}

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises BadParameter with a plain text for an option with a wrong value."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = _plain(error)
            raise

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *self.lazy]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, or for a lazy one a stub with its name and help text."""
        lazy = self.lazy.get(cmd_name)
        return TyperCommand(cmd_name, help=lazy.help) if lazy else super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that the arguments name, imported now."""
        name, command, rest = super().resolve_command(ctx, args)
        lazy = self.lazy.get(args[0])
        return name, lazy.load(args[0]) if lazy else command, rest
