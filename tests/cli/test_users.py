"""`receiver users`."""

import asyncio
import os
import pty
import select
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest

from receiver.console.sign_in.passwords import verify_password
from tests.cli.shell import Shell

PASSWORD = "a quiet green lamp"


def add(shell: Shell, *options: str) -> None:
    file = shell.file("password.txt", f"{PASSWORD}\n")
    said = shell.run("users", "add", *options, "--password-file", file)
    assert (said.status, said.err) == (0, "")


def rows(shell: Shell, query: str) -> list[Any]:
    with closing(sqlite3.connect(shell.store)) as connection:
        return connection.execute(query).fetchall()


def listed(shell: Shell) -> dict[str, tuple[str, bool, str, bool]]:
    """Return name → role, numbers, ways to sign in, whether disabled."""
    return {
        row["name"]: (row["role"], row["numbers"], row["signs_in_by"], row["disabled"] is not None)
        for row in shell.ask("users", "list")
    }


def test_users_are_added_changed_and_removed(shell: Shell) -> None:
    add(shell, "Anna")
    assert shell.run("users", "add", "wall", "--role", "operator", "--numbers", "--no-password").status == 0
    assert listed(shell) == {
        "anna": ("viewer", False, "password", False),
        "wall": ("operator", True, "link", False),
    }
    shell.run("users", "change", "anna", "--role", "admin", "--numbers", "--disable")
    shell.run("users", "change", "wall", "--no-numbers")
    assert listed(shell)["anna"] == ("admin", True, "password", True)
    assert listed(shell)["wall"] == ("operator", False, "link", False)
    shell.run("users", "change", "anna", "--enable")
    assert listed(shell)["anna"] == ("admin", True, "password", False)
    shell.run("users", "remove", "wall")
    assert list(listed(shell)) == ["anna"]


@pytest.mark.anyio
async def test_a_password_is_set_and_stored_as_a_hash(shell: Shell) -> None:
    add(shell, "anna")
    ((first,),) = rows(shell, "SELECT password_hash FROM console_user")
    assert await verify_password(first, PASSWORD)
    file = shell.file("other.txt", "another green lamp")
    assert shell.run("users", "password", "anna", "--password-file", file).status == 0
    ((second,),) = rows(shell, "SELECT password_hash FROM console_user")
    assert await verify_password(second, "another green lamp")
    assert not await verify_password(second, PASSWORD)


def test_a_link_is_printed_alone_so_that_scripts_can_take_it(shell: Shell) -> None:
    shell.run("users", "add", "wall", "--no-password")
    said = shell.run("users", "link", "wall")
    assert said.out.startswith("http://127.0.0.1:8081/console/sign-in/link?secret=")
    assert said.out.count("\n") == 1
    assert "15 minutes" in said.err
    shell.config.write_text(f'{shell.config.read_text()}\n[console]\npublic_url = "https://r.example"\n')
    answer = shell.ask("users", "link", "wall")
    assert answer["link"].startswith("https://r.example/console/sign-in/link?secret=")


REFUSED = {
    ("add", "a b", "--no-password"): "name: 1 to 64 letters",
    ("add", "ANNA", "--no-password"): "name: there is a user with this name",
    ("add", "boris"): "--password-file: needed, since there is no terminal to ask on",
    ("add", "boris", "--no-password", "--password-file", "x"): "--no-password: leave it out",
    ("change", "anna"): "--role: give --role, --numbers",
    ("change", "nobody", "--disable"): "no user has this name",
    ("remove", "nobody"): "no user has this name",
    ("link", "nobody"): "no user has this name",
    ("password", "nobody"): "no user has this name",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_what_cannot_be_done_is_refused_with_the_reason(shell: Shell, words: tuple[str, ...]) -> None:
    shell.run("users", "add", "anna", "--no-password")
    assert REFUSED[words] in shell.refused("users", *words)
    assert list(listed(shell)) == ["anna"]


def test_a_short_password_is_refused(shell: Shell) -> None:
    file = shell.file("password.txt", "short")
    assert "password: 12 to 1000" in shell.refused("users", "add", "anna", "--password-file", file)


def test_changes_of_users_are_recorded_without_secrets(shell: Shell) -> None:
    add(shell, "anna", "--role", "operator")
    shell.run("users", "change", "anna", "--disable")
    shell.run("users", "change", "anna", "--enable")
    shell.run("users", "link", "anna")
    shell.run("users", "remove", "anna")
    found = rows(shell, "SELECT action, object, detail FROM audit ORDER BY seq")
    assert found == [
        ("user.add", "user:anna", '{"role":"operator","numbers":false}'),
        ("user.change", "user:anna", '{"enabled":false}'),
        ("user.change", "user:anna", '{"enabled":true}'),
        ("user.link", "user:anna", "{}"),
        ("user.remove", "user:anna", "{}"),
    ]
    assert all(actor.startswith("cli:") for (actor,) in rows(shell, "SELECT actor FROM audit"))


def test_a_terminal_is_asked_twice_and_shows_nothing(shell: Shell) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "receiver", "users", "add", "anna", "--config", str(shell.config)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    for prompt in (b"Password: ", b"Repeat for confirmation: "):
        while not shown.endswith(prompt):
            ready, _, _ = select.select([ours], [], [], 60)
            assert ready, shown
            shown += os.read(ours, 1000)
        os.write(ours, f"{PASSWORD}\n".encode())
    assert process.wait(60) == 0
    shown += os.read(ours, 1000)
    os.close(ours)
    assert b"'anna' is added." in shown
    assert PASSWORD.encode() not in shown
    ((password_hash,),) = rows(shell, "SELECT password_hash FROM console_user")
    assert asyncio.run(verify_password(password_hash, PASSWORD))
