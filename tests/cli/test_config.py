"""`receiver config`: a settings file to begin with, and what is wrong with one."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from receiver.settings.settings import Settings, load_settings
from tests.cli.shell import KEY, ROOT, SECRET, Shell

_TABLES = (
    *("hook_keys", "accounts", "api", "listener", "inbox"),
    *("console", "reconcile", "delivery", "analytics", "retention", "traces"),
)
"""Settings that are tables of the file: what they hold is explained there."""

_SHOWN_DEFAULT = re.compile(r"^# (\w+ = .+)$", re.MULTILINE)


def _example(shell: Shell) -> str:
    said = shell.run("config", "example")
    assert (said.status, said.err) == (0, "")
    return said.out


def test_the_example_is_accepted_as_soon_as_the_account_is_filled_in(shell: Shell) -> None:
    text = _example(shell).replace("scheduler.example", "pbx.example").replace("application-", "my-")
    shell.config.write_text(text)
    said = shell.run("config", "check")
    assert said.status == 0
    assert said.out == "The settings are valid. Accounts: main. Hooks: http://127.0.0.1:8080/hooks/.\n"


def test_each_example_has_a_key_of_its_own(shell: Shell) -> None:
    one, other = (tomllib.loads(_example(shell))["hook_keys"][0]["secret"] for _ in range(2))
    assert one != other
    assert len(one) >= 32


def _changes(before: Any, after: Any) -> Iterator[tuple[Any, Any]]:
    """The values that differ."""
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for name, value in before.items():
            yield from _changes(value, after[name])
    elif before != after:
        yield before, after


def test_what_is_commented_out_shows_the_default_or_an_example_where_there_is_none(shell: Shell) -> None:
    text = _example(shell)
    shell.config.write_text(text)
    bare = load_settings(shell.config)
    given = _SHOWN_DEFAULT.sub(lambda line: line[1], text)
    shell.config.write_text(given)
    assert len(tomllib.loads(given)) > len(tomllib.loads(text))
    changes = list(_changes(bare.model_dump(), load_settings(shell.config).model_dump()))
    assert changes
    assert [before for before, _ in changes if before is not None] == []


def test_every_line_of_the_example_can_be_uncommented(shell: Shell) -> None:
    lines = _example(shell).splitlines()
    places = [at for at, line in enumerate(lines) if _SHOWN_DEFAULT.match(line)]
    assert len(places) > 50
    for at in places:
        chosen = lines[at].removeprefix("# ")
        shell.config.write_text("\n".join([*lines[:at], chosen, *lines[at + 1 :]]))
        said = shell.run("config", "check")
        assert (said.status, said.err) == (0, ""), chosen


def test_every_setting_is_explained(shell: Shell) -> None:
    text = _example(shell)
    for name, field in Settings.model_fields.items():
        assert name in text
        assert name in _TABLES or f"# {field.description}\n" in text


def test_the_example_needs_no_settings(shell: Shell) -> None:
    shell.config.unlink()
    assert "[accounts.main]" in _example(shell)


def test_a_file_elsewhere_can_be_named(shell: Shell) -> None:
    other = shell.file("other.toml", shell.config.read_text().replace(ROOT, "https://other.example"))
    assert "https://other.example/hooks/" in shell.run("config", "check", "--config", other).out
    assert "https://other.example/hooks/" in shell.run("config", "check", "-c", other).out


def test_an_address_in_brackets_is_shown_as_it_is(shell: Shell) -> None:
    shell.config.write_text(shell.config.read_text().replace(ROOT, "http://[fe80::1]"))
    assert "http://[fe80::1]/hooks/" in shell.run("config", "check").out


WRONG = {
    'port = "many"': "port: must be a whole number",
    "prot = 8080": "prot: there is no setting 'prot'; did you mean 'port'?",
    "port = ": "Invalid value",
    'aliases = { phone = ["tel"] }': "aliases: no such field: phone",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_named(line: str, shell: Shell) -> None:
    shell.file("receiver.toml", f"{line}\n{shell.config.read_text()}")
    error = shell.refused("config", "check")
    assert WRONG[line] in error
    assert KEY not in error
    assert SECRET not in error


def test_a_secret_that_cannot_be_used_is_not_shown(shell: Shell) -> None:
    shell.configure(key='"only-so-short"')
    error = shell.refused("config", "check")
    assert "hook_keys.0.secret" in error
    assert "only-so-short" not in error


def test_a_file_that_is_not_there_is_named_as_it_was_given(shell: Shell) -> None:
    assert shell.refused("config", "check", "-c", "[x].toml").startswith("error: [x].toml: no such file")
    shell.config.unlink()
    assert "no such file; `receiver config example` prints one" in shell.refused("tasks", "list")
