"""Every command explains itself."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from receiver.cli import app
from tests.cli.shell import Shell


def _commands() -> Iterator[tuple[str, Any]]:
    """Each command that can be run, by all its words."""
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        for inner, leaf in getattr(command, "commands", {"": command}).items():
            yield f"{name} {inner}".strip(), leaf


COMMANDS = dict(_commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_tells_what_it_does(name: str, shell: Shell) -> None:
    said = shell.run(*name.split(), "--help")
    shown = " ".join(said.out.split())
    first = " ".join(COMMANDS[name].help.split("\n\n")[0].split())
    assert (said.status, said.err) == (0, "")
    assert shown.startswith("Usage: ")
    assert f" {name} [OPTIONS]" in shown
    assert len(first.split()) >= 3
    assert first in shown
    assert said.widest <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_of_a_command_has_a_help(name: str) -> None:
    silent = [each.name for each in COMMANDS[name].params if not getattr(each, "help", None)]
    assert silent == []


def test_without_a_command_there_is_help(shell: Shell) -> None:
    said = shell.run()
    assert "Commands" in said.out
    for name in COMMANDS:
        assert f"│ {name.split()[0]} " in said.out


def test_an_unknown_command_is_refused(shell: Shell) -> None:
    assert "No such command 'serv'" in shell.refused("serv")
