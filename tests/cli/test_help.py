"""Every command explains itself."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from receiver.cli import COMMANDS as LISTED
from tests.cli.commands import TOP, leaves
from tests.cli.shell import Shell

COMMANDS = dict(leaves())


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


@pytest.mark.parametrize("name", LISTED)
def test_the_list_of_commands_says_what_each_says_of_itself(name: str) -> None:
    assert LISTED[name].help == " ".join(TOP[name].help.split("\n\n")[0].split())


def test_the_version_is_printed(shell: Shell) -> None:
    said = shell.run("--version")
    assert (said.status, said.out, said.err) == (0, f"receiver {version('receiver')}\n", "")


@pytest.mark.parametrize("given", [["--help"], ["--version"]])
def test_help_and_version_import_nothing_that_is_slow(given: list[str]) -> None:
    loaded = {name.partition(".")[0] for name in _loaded(given)}
    assert not loaded & {"sqlalchemy", "sqlmodel", "pydantic", "starlette", "structlog", "httpx2", "asyncio"}


@pytest.mark.parametrize("given", [["tasks", "list"], ["queues", "list"], ["lost-hooks"], ["drift"]])
def test_a_list_imports_only_what_it_reads(given: list[str], shell: Shell) -> None:
    shell.run("tokens", "list")  # the store is made
    loaded = _loaded(given)
    rooms = {name.split(".")[1] for name in loaded if name.startswith("receiver.")}
    packages = {name.partition(".")[0] for name in loaded}
    assert not rooms & {"app", "server", "intake", "outcomes", "reconcile", "scheduler"}
    assert not packages & {"structlog", "phonenumbers", "starlette", "httpx2", "alembic", "psycopg"}
    assert not loaded & {"receiver.domain.fold", "receiver.analytics.tables"}


def _loaded(given: list[str]) -> set[str]:
    """The modules that a process has imported after this command."""
    program = (
        "import sys\n"
        "from receiver.cli import main\n"
        f"sys.argv = ['receiver', *{given}]\n"
        "try:\n    main()\n"
        "finally:\n    print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    ("words", "offered"), [("receiver ta", "tasks"), ("receiver tasks a", "add"), ("receiver nothing x", "")]
)
def test_a_shell_completes_commands(words: str, offered: str) -> None:
    asked = {"_RECEIVER_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    program = "import sys; sys.argv = ['receiver']; from receiver.cli import app; app(prog_name='receiver')"
    command = [sys.executable, "-c", program]
    env = {**os.environ, **asked}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    assert (done.stdout.strip(), done.stderr) == (offered, "")
