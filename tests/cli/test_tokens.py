"""`receiver tokens`."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from hashlib import sha256

from receiver.http.tokens import SCOPES
from tests.cli.shell import Shell
from tests.http.api_env import running_rig


def _answers(shell: Shell, token: str, path: str = "/v1/tasks") -> int:
    """The status that the API answers to that token."""

    async def ask() -> int:
        async with running_rig(shell.folder) as api_env:
            headers = {"Authorization": f"Bearer {token}"}
            return (await api_env.client.get(path, headers=headers)).status_code

    return asyncio.run(ask())


def test_a_token_is_printed_alone_so_that_scripts_can_take_it(shell: Shell) -> None:
    said = shell.run("tokens", "create", "me")
    assert said.out.startswith("rcv_")
    assert said.out.count("\n") == 1
    assert "it cannot be shown again" in said.err
    assert _answers(shell, said.out.strip()) == 200


def test_of_a_token_only_its_hash_is_kept(shell: Shell) -> None:
    token = shell.ask("tokens", "create", "me")["token"]
    with closing(sqlite3.connect(shell.store)) as connection:
        ((kept,),) = connection.execute("SELECT hash FROM api_token").fetchall()
    assert kept == sha256(token.encode()).hexdigest()
    assert all(token.encode() not in path.read_bytes() for path in shell.folder.iterdir())


def test_a_revoked_token_opens_nothing_any_more(shell: Shell) -> None:
    token = shell.ask("tokens", "create", "me")["token"]
    assert _answers(shell, token) == 200
    assert shell.run("tokens", "revoke", "me").out == "'me' is revoked.\n"
    assert _answers(shell, token) == 401


def test_a_token_opens_only_what_its_scopes_name(shell: Shell) -> None:
    made = shell.ask("tokens", "create", "crm", "--scope", "mint")
    limits = {"subscription": None, "expires": None}
    assert made == {"name": "crm", "scopes": ["mint"], "token": made["token"], **limits}
    assert _answers(shell, made["token"]) == 403


def test_all_tokens_are_listed_and_none_is_shown(shell: Shell) -> None:
    tokens = [
        shell.ask("tokens", "create", name, "--scope", "read", "--scope", "numbers")["token"]
        for name in ("b", "a")
    ]
    shell.run("tokens", "revoke", "b")
    listed = shell.ask("tokens", "list")
    assert [(row["name"], row["scopes"]) for row in listed] == [
        ("a", ["numbers", "read"]),
        ("b", ["numbers", "read"]),
    ]
    assert [row["revoked"] is not None for row in listed] == [False, True]
    shown = shell.run("tokens", "list").out
    header = shell.run("tokens", "list", "--csv").out.splitlines()[0]
    assert header == "name,scopes,expires,revoked,subscription,created"
    assert "numbers, read" in shown
    assert not any(token in shown for token in tokens)


def test_a_token_for_one_subscription_alone_opens_nothing_else(shell: Shell) -> None:
    url = "https://crm.example/hook"
    own, other = (shell.ask("subscriptions", "add", name, url)["subscription"]["id"] for name in ("a", "b"))
    made = shell.ask("tokens", "create", "--subscription", own, "--expires", "90d")
    assert (made["subscription"], made["scopes"]) == (own, ["own"])
    paths = (f"/v1/subscriptions/{own}/messages", f"/v1/subscriptions/{other}/messages", "/v1/tasks")
    assert [_answers(shell, made["token"], path) for path in paths] == [200, 403, 403]
    (listed,) = shell.ask("tokens", "list")
    assert (listed["name"], listed["subscription"]) == (made["name"], own)
    lasts = datetime.fromisoformat(listed["expires"]) - datetime.fromisoformat(listed["created"])
    assert abs(lasts - timedelta(days=90)) < timedelta(minutes=1)


def test_what_cannot_be_done_is_named(shell: Shell) -> None:
    assert shell.refused("tokens", "create", "a b").startswith("error: name: 1 to 64 letters")
    assert shell.refused("tokens", "create", "me", "--scope", "all") == (
        f"error: scopes: one or more of {', '.join(SCOPES)}"
    )
    assert shell.refused("tokens", "create") == "error: NAME: name the program or person that uses the token"
    assert "there is no subscription" in shell.refused("tokens", "create", "--subscription", "sub_none")
    assert "--scope: leave it out" in shell.refused(
        "tokens", "create", "--subscription", "sub_none", "--scope", "read"
    )
    assert "90s, 30min, 2h, 7d or 4w" in shell.refused("tokens", "create", "me", "--expires", "soon")
    shell.run("tokens", "create", "me")
    assert shell.refused("tokens", "create", "me").startswith("error: name: taken by another token")
    assert shell.refused("tokens", "revoke", "you") == "error: no token has this name"
