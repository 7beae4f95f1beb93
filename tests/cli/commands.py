"""All commands, imported."""

from collections.abc import Iterator
from typing import Any

from receiver.cli import COMMANDS
from receiver.cli.lazy import LazyCommand


def _loaded(name: str, command: LazyCommand) -> Any:
    group = command.load(name)
    for inner, lazy in getattr(group, "lazy", {}).items():
        group.add_command(lazy.load(inner), inner)
    return group


TOP: dict[str, Any] = {name: _loaded(name, command) for name, command in COMMANDS.items()}
"""Name → command or group of commands."""


def leaves() -> Iterator[tuple[str, Any]]:
    """Each command that can be run, by all its words."""
    for name, command in TOP.items():
        for inner, leaf in getattr(command, "commands", {"": command}).items():
            yield f"{name} {inner}".strip(), leaf
