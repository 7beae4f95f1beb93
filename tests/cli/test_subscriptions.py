"""`receiver subscriptions`: from a shell."""

import asyncio

import pytest

from receiver.outcomes.tables import MESSAGE
from receiver.storage.engine import Store
from tests.cli.shell import Shell
from tests.http.api_env import running_rig

URL = "https://crm.example/hook"


def add(shell: Shell, *more: str) -> str:
    made = shell.ask("subscriptions", "add", "sales CRM", URL, *more)
    assert made["secret"].startswith("whsec_")
    name: str = made["subscription"]["id"]
    return name


async def live(shell: Shell) -> None:
    """A task comes and goes."""
    async with running_rig(shell.folder) as api_env:
        await api_env.settled_without_after("r1")


def settle(shell: Shell, state: str) -> None:
    store = Store(shell.store)
    with store.transaction() as connection:
        connection.execute(MESSAGE.update().values(state=state))
    store.close()


def test_from_its_beginning_to_its_end(shell: Shell) -> None:
    name = add(
        shell, "--set", 'filter.types=["task.finished"]', "--set", "certainty=reconciled", "--set", "rate=5"
    )
    shown = shell.ask("subscriptions", "show", name)
    assert (shown["url"], shown["certainty"], shown["rate"]) == (URL, "reconciled", 5.0)
    assert shown["filter"]["types"] == ["task.finished"]
    assert shell.ask("subscriptions", "pause", name)["state"] == "paused"
    assert shell.ask("subscriptions", "resume", name)["state"] == "active"
    assert shell.ask("subscriptions", "change", name, "--set", "concurrency=9")["concurrency"] == 9
    assert shell.ask("subscriptions", "rotate", name, "--overlap", "60")["secret"].startswith("whsec_")
    assert [each["id"] for each in shell.ask("subscriptions", "list")["subscriptions"]] == [name]
    assert "is removed" in shell.run("subscriptions", "remove", name).out
    assert shell.ask("subscriptions", "list") == {"subscriptions": []}


def test_people_see_tables_and_the_secret_once(shell: Shell) -> None:
    said = shell.run("subscriptions", "add", "sales CRM", URL)
    name, secret = said.out.splitlines()
    assert secret.startswith("whsec_")
    assert "cannot be shown again" in said.err
    for command in (("list",), ("show", name), ("messages", name)):
        told = shell.run("subscriptions", *command)
        assert (told.status, told.err) == (0, "")
        assert secret not in told.out
    assert "sales CRM" in shell.run("subscriptions", "list").out


def test_a_test_event_and_what_became_of_it(shell: Shell) -> None:
    name = add(shell)
    sent = shell.ask("subscriptions", "test", name)
    assert f"message {sent['message'] + 1}" in shell.run("subscriptions", "test", name).out
    (newest, oldest) = shell.ask("subscriptions", "messages", name)["messages"]
    assert (oldest["event"], newest["state"]) == (sent["event"], "waiting")
    assert shell.ask("subscriptions", "message", str(sent["message"]))["postings"] == []
    assert "receiver.test" in shell.run("subscriptions", "message", str(sent["message"])).out
    settle(shell, "dead")
    assert len(shell.ask("subscriptions", "messages", name, "--state", "dead")["messages"]) == 2


def test_a_replay_says_first_what_it_would_send(shell: Shell) -> None:
    asyncio.run(live(shell))
    name = add(shell)
    dry = shell.ask("subscriptions", "replay", name, "--since", "2020-01-01", "--dry-run")
    assert dry["sent"] > 0
    assert shell.ask("subscriptions", "messages", name)["messages"] == []
    assert shell.ask("subscriptions", "replay", name, "--since", "2020-01-01")["sent"] == dry["sent"]
    assert len(shell.ask("subscriptions", "messages", name)["messages"]) == dry["sent"]
    assert (
        "Would send" in shell.run("subscriptions", "replay", name, "--since", "2020-01-01", "--dry-run").out
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("add", "x", "ftp://crm.example"), "--url"),
        (("add", "x", URL, "--set", "certainty=soon"), "--certainty"),
        (("add", "x", URL, "--set", "certainty"), "NAME=VALUE"),
        (("add", "x", URL, "--secret", "whsec_AAAA"), "24 to 64 bytes"),
        (("show", "sub_none"), "no such subscription"),
        (("replay", "sub_none"), "give at least one"),
        (("message", "7"), "no such message"),
    ],
)
def test_what_cannot_be_done_is_named(shell: Shell, words: tuple[str, ...], problem: str) -> None:
    said = shell.run("subscriptions", *words)
    assert said.status == 2
    assert problem in said.err
