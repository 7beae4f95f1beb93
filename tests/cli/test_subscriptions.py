"""`receiver subscriptions`: from a shell."""

import asyncio
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from receiver.outcomes.tables import MESSAGE, SUBSCRIPTION
from receiver.storage.engine import Store
from tests.cli.shell import Shell
from tests.http.api_env import running_rig

URL = "https://crm.example/hook"


ALLOWED = '[delivery]\nallowed_networks = ["127.0.0.0/8"]'


class _Crm(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@contextmanager
def answering() -> Iterator[str]:
    """Yield the URL of a CRM that answers 204."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Crm)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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


def test_a_test_event_that_fails_says_why_and_exits_with_1(shell: Shell) -> None:
    add(shell)
    said = shell.run("subscriptions", "test", "sales CRM")
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("error: no answer")
    (message,) = shell.ask("subscriptions", "messages", "sales CRM")["messages"]
    assert (message["type"], message["state"]) == ("receiver.test", "dropped")
    shown = shell.ask("subscriptions", "message", str(message["seq"]))
    assert len(shown["postings"]) == 1
    assert "receiver.test" in shell.run("subscriptions", "message", str(message["seq"])).out
    again = shell.run("subscriptions", "retry", "sales CRM", "--message", str(message["seq"]))
    assert (again.status, "send a new one" in again.err) == (2, True)


def test_an_answer_to_a_test_event_and_to_a_retry(office: Shell) -> None:
    """Without a running receiver: the command itself sends."""
    with answering() as url:
        office.config.write_text(
            office.config.read_text().replace("[accounts", f"{ALLOWED}\n[accounts", 1), "utf-8"
        )
        office.ask("subscriptions", "add", "crm", url)
        said = office.run("subscriptions", "test", "crm")
        assert said.status == 0, said
        assert re.fullmatch(r"204 in \d+ ms\n", said.out)
        asyncio.run(live(office))
        waiting = office.ask("subscriptions", "messages", "crm", "--state", "waiting")["messages"]
        said = office.run("subscriptions", "retry", "crm", "--message", str(waiting[-2]["seq"]))
        assert re.fullmatch(r"204 in \d+ ms, after 1 messages\n", said.out)
    dry = office.run("subscriptions", "retry", "crm", "--waiting", "--dead", "--dry-run")
    assert dry.out == "Would retry 0 waiting messages and 0 dead letters\n"


def test_the_request_that_would_be_sent(shell: Shell) -> None:
    add(shell)
    shown = shell.run("subscriptions", "preview", "sales CRM", "--type", "task.connected")
    assert (shown.status, shown.err) == (0, "")
    assert shown.out.startswith(f"POST {URL}\n")
    assert "webhook-signature: v1,•••" in shown.out
    assert '"type": "task.connected"' in shown.out
    assert "+79990000002" not in shown.out
    assert "+79990000002" in shell.run("subscriptions", "preview", "sales CRM", "--numbers").out


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
        (("add", "x", URL, "--set", "cocurrency=2"), "did you mean 'concurrency'?"),
        (("add", "x", URL, "--set", 'filter.types=["task.finishd"]'), "did you mean 'task.finished'?"),
        (("add", "x", "http://10.0.0.5/"), 'allowed_networks = ["10.0.0.5/32"]'),
        (("add", "x", URL, "--secret", "whsec_AAAA"), "24 to 64 bytes"),
        (("show", "sub_none"), "there is no subscription 'sub_none'"),
        (("retry", "sub_none"), "--waiting"),
        (("retry", "sub_none", "--dead", "--message", "7"), "stands alone"),
        (("replay", "sub_none"), "give at least one"),
        (("message", "7"), "no such message"),
    ],
)
def test_what_cannot_be_done_is_named(shell: Shell, words: tuple[str, ...], problem: str) -> None:
    said = shell.run("subscriptions", *words)
    assert said.status == 2
    assert problem in said.err


def test_a_failing_and_a_disabled_subscription_are_shown(shell: Shell) -> None:
    for name in ("failing CRM", "ended CRM"):
        shell.ask("subscriptions", "add", name, URL)
    change(shell, "failing CRM", failing_since=1_700_000_000.0, problem="answered 401")
    change(shell, "ended CRM", state="disabled", reason="410: the subscriber wants no more events")
    listed = " ".join(shell.run("subscriptions", "list", "--csv").out.split())
    assert "failing since 2023-11-14 22:13:20" in listed
    assert ": answered 401" in listed
    checked = {row["subject"]: row for row in shell.run("check", "--json").json}
    failing, ended = checked["subscription failing CRM"], checked["subscription ended CRM"]
    assert (failing["verdict"], ended["verdict"]) == ("warning", "warning")
    assert "answered 401" in failing["detail"]
    assert "410: the subscriber wants no more events" in ended["detail"]


def test_check_reads_times_by_the_settings_that_are_named(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.ask("subscriptions", "add", "failing CRM", URL)
    change(shell, "failing CRM", failing_since=1_700_000_000.0, problem="answered 401")
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.delenv("RECEIVER_CONFIG", raising=False)
    checked = {
        row["subject"]: row for row in shell.run("check", "--json", "--config", str(shell.config)).json
    }
    assert "answered 401" in checked["subscription failing CRM"]["detail"]


def change(shell: Shell, name: str, **values: Any) -> None:
    store = Store(shell.store)
    with store.transaction() as connection:
        connection.execute(SUBSCRIPTION.update().where(SUBSCRIPTION.c.name == name).values(**values))
    store.close()


def test_remove_asks_at_a_terminal_only(shell: Shell) -> None:
    add(shell)
    no, yes = (at_terminal(shell, answer) for answer in (b"n\n", b"y\n"))
    assert "Remove 'sales CRM' (sub_" in no
    assert "0 messages that are not delivered and 0 dead letters? [y/N]" in " ".join(no.split())
    assert "Aborted" in no
    assert "'sales CRM' is removed" in yes
    add(shell)
    assert "is removed" in shell.run("subscriptions", "remove", "sales CRM", "--yes").out


def at_terminal(shell: Shell, answer: bytes) -> str:
    """Run the command at a terminal of its own, and return what it printed."""
    command = [sys.executable, "-m", "receiver", "subscriptions", "remove", "sales CRM"]
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    done = subprocess.run(
        [*command, "--config", str(shell.config)], stdin=theirs, capture_output=True, timeout=60, check=False
    )
    for end in (ours, theirs):
        os.close(end)
    return done.stdout.decode() + done.stderr.decode()
