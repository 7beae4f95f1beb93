"""All commands, imported."""

from collections.abc import Iterator
from typing import Any

from receiver.cli import COMMANDS

TOP: dict[str, Any] = {name: command.load(name) for name, command in COMMANDS.items()}
"""Name → command or group of commands."""


def leaves() -> Iterator[tuple[str, Any]]:
    """Each command that can be run, by all its words."""
    for name, command in TOP.items():
        for inner, leaf in getattr(command, "commands", {"": command}).items():
            yield f"{name} {inner}".strip(), leaf
