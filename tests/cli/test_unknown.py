"""Nothing unknown is answered with zero, by any command: accounts, queues, subscriptions, periods, zones."""

from pathlib import Path

import pytest

from tests.cli.commands import leaves
from tests.cli.shell import Shell
from tests.e2e.unknown import ELSEWHERE, UnknownCall, problem_of, unknown_calls

FILE = Path("tasks.csv")
CALLS = list(unknown_calls(FILE))


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.command}-{call.option}")
def test_what_is_unknown_is_an_error_that_says_so(call: UnknownCall, shell: Shell) -> None:
    shell.file("tasks.csv", "ref,a_number,b_number\n")
    said = shell.run(*call.words)
    assert problem_of(call, said.status, said.out, said.err) is None, said


def test_the_table_has_the_commands_with_accounts_queues_and_subscriptions() -> None:
    called = {(call.command, call.option) for call in CALLS}
    assert {("tasks list", "queue"), ("report", "than_queue"), ("find", "account")} <= called
    assert {("subscriptions replay", "subscription"), ("export", "period")} <= called


def test_exceptions_are_options_that_exist() -> None:
    options = {(name, parameter.name) for name, command in leaves() for parameter in command.params}
    assert ELSEWHERE.keys() <= options
