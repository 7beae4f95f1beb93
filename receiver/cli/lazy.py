"""Commands whose modules are imported when they run, so that help and version are quick."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class LazyCommand(NamedTuple):
    """A function or a group of commands. `help`: the first paragraph of its own help text."""

    module: str
    attribute: str
    help: str

    def load(self, name: str) -> Any:
        """Return the command itself."""
        found = getattr(import_module(self.module), self.attribute)
        if isinstance(found, typer.Typer):
            return typer.main.get_group(found)
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name)(found)
        return typer.main.get_command(alone)


class LazyGroup(TyperGroup):
    """A group that lists commands without importing them. Subclasses set `lazy`: name → command."""

    lazy: Mapping[str, LazyCommand] = {}

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 -- typer's signature
        return list(self.lazy)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Return a stand-in, which has a name and a help text and cannot run."""
        found = self.lazy.get(cmd_name)
        return found and TyperCommand(cmd_name, help=found.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that the arguments name, imported now."""
        name, stub, rest = super().resolve_command(ctx, args)
        # While a shell completes, a name may be unknown.
        return name, stub and self.lazy[args[0]].load(args[0]), rest
