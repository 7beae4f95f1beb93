"""`python -m tests.e2e.story`: from a phone number to the retry of an outcome, on the data of the demo.

A customer says: you rang me, and nobody knows. The transcript finds the task by the number, follows it to
the raw hook and to what the CRM answered, and sends the message again once the CRM is mended. First by
commands, then by curl.
"""

import argparse
import json
import os
import shlex
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.dev import RECEIVER, Crm, serving, until
from tests.e2e.processes import Served

NAME = "sales CRM"
_TIMEOUT_S = 300
_ALL = "2020-01-01"
"""A day before all events."""

_SHOWN = 12
"""Lines of an answer by curl that are printed."""


class BrokenCrm(Crm):
    """A CRM that verifies, and answers 500 to the outcomes of one task until it is mended. `broken`: the
    task's ref, or an empty text.
    """

    broken: str = ""

    def take(self, headers: Any, body: bytes) -> int:
        is_broken = json.loads(body)["data"].get("ref") == self.broken
        self.status = 500 if is_broken else 204
        return super().take(headers, body)


@dataclass
class Desk:
    """The person's terminal. `typed`: the commands so far."""

    folder: Path
    typed: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """The demo's settings, with a clock of usual speed; the emulator has ended."""
        given = {"CONFIG": str(self.folder / "receiver.toml"), "CLOCK_SPEED": "1"}
        given |= {"RECONCILE__ENABLED": "false"}
        return os.environ | {f"RECEIVER_{name}": value for name, value in given.items()} | {"COLUMNS": "80"}

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run and print a command of the receiver."""
        return self._print(("receiver", *arguments), self._run((*RECEIVER, *arguments), code))

    def ask(self, *arguments: str) -> Any:
        """Run a command that prints JSON, without a line in the transcript."""
        return json.loads(self._run((*RECEIVER, *arguments, "--json"), 0))

    def curl(self, url: str, token: str, *options: str) -> Any:
        """Run curl and print the beginning of what it prints."""
        shown = ("curl", "-H", "Authorization: Bearer $TOKEN", *options, url)
        command = ("curl", "-sS", "--fail-with-body", "-H", f"Authorization: Bearer {token}", *options, url)
        answer = json.loads(self._run(command, 0))
        lines = json.dumps(answer, ensure_ascii=False, indent=1).splitlines()
        rest = [f" … {len(lines) - _SHOWN} more lines"] if len(lines) > _SHOWN else []
        self._print(shown, "\n".join([*lines[:_SHOWN], *rest]))
        return answer

    def _run(self, command: Sequence[str], code: int) -> str:
        done = subprocess.run(
            command,
            check=False,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
        if done.returncode != code:
            raise RuntimeError(
                f"{shlex.join(command)} ended with {done.returncode}: {done.stderr}{done.stdout}"
            )
        return done.stdout + done.stderr

    def _print(self, shown: Sequence[str], text: str) -> str:
        self.typed.append(shlex.join(shown))
        print(f"\n$ {self.typed[-1]}\n{text}", flush=True)
        return text


@dataclass(frozen=True)
class Chosen:
    """The task of the customer who calls."""

    account: str
    key: str
    phone: str


def show(folder: Path, tasks: int = 12) -> list[str]:
    """Play the transcript. Return the commands. Raises an error at the first step that fails."""
    desk, crm = Desk(folder), BrokenCrm(problem=b"the database is down")
    _demo(desk, tasks)
    task = _choose(folder / "receiver.db")
    crm.broken = task.key
    with serving(crm) as crm_url, _served(desk) as api:
        crm.secret = desk.ask("subscriptions", "add", NAME, crm_url)["secret"]
        desk.ask("subscriptions", "replay", NAME, "--since", _ALL)
        until("the CRM fails", lambda: crm.failed)
        _by_commands(desk, crm, task)
        crm.broken = task.key
        desk.ask("subscriptions", "replay", NAME, "--since", _ALL)
        until("the CRM fails again", lambda: _failed(desk, task))
        _by_curl(desk, crm, task, api)
    return desk.typed


def _demo(desk: Desk, tasks: int) -> None:
    options = {"tasks": tasks, "seed": 5, "faults": "light", "speed": 120, "folder": desk.folder}
    desk.run("demo", *(text for name, value in options.items() for text in (f"--{name}", str(value))))


@contextmanager
def _served(desk: Desk) -> Iterator[str]:
    """Serve the demo's store; yield the URL of the API."""
    environment = {name: desk.environment[name] for name in desk.environment if name.startswith("RECEIVER_")}
    served = Served(desk.folder / "receiver.toml", environment=environment)
    try:
        served.start()
        yield served.api_url
    finally:
        served.stop()


def _choose(store: Path) -> Chosen:
    """Return a connected task with a mobile number, of those with most attempts."""
    query = (
        "SELECT account, key, b_number FROM task WHERE finish_result = 'success' AND connected_at NOT NULL "
        "AND b_number LIKE '+7%' ORDER BY attempts DESC, key LIMIT 1"
    )
    with closing(sqlite3.connect(store)) as connection:
        return Chosen(*connection.execute(query).fetchone())


def _open(desk: Desk, task: Chosen) -> list[dict[str, Any]]:
    """Return the task's messages to the CRM that are not delivered."""
    story = desk.ask("tasks", "show", task.account, task.key)
    (subscriber,) = [each for each in story["subscribers"] if each["name"] == NAME]
    return [message for message in subscriber["messages"] if message["state"] == "waiting"]


def _failed(desk: Desk, task: Chosen) -> dict[str, Any] | None:
    """Return the task's message that failed and was not delivered since."""
    return next((message for message in _open(desk, task) if message["postings"]), None)


def _unwrapped(text: str) -> str:
    """Return the text with a space for each end of a line: sentences break at the terminal's width."""
    return " ".join(text.split())


def _by_commands(desk: Desk, crm: BrokenCrm, task: Chosen) -> None:
    _expect(task.key in desk.run("find", task.phone), "the number leads to its task")
    text = _unwrapped(desk.run("tasks", "show", task.account, task.key))
    _expect("connected at" in text, "the story begins with what happened")
    _expect("answered 500" in text, "and says why the CRM is behind")
    story = desk.ask("tasks", "show", task.account, task.key)
    delivery = story["deliveries"][0]["id"]
    text = desk.run("deliveries", "show", delivery, "--numbers")
    _expect(task.phone in text, "the story leads to a raw hook")
    failed = _failed(desk, task)
    assert failed is not None
    text = desk.run("subscriptions", "message", str(failed["seq"]))
    _expect("the database is down" in text, "the message says what the CRM answered")
    retry = ("subscriptions", "retry", NAME, "--message", str(failed["seq"]))
    desk.run(*retry, code=1)
    crm.broken = ""
    print("\n(The CRM is mended.)")
    _expect("204" in desk.run(*retry), "the message is retried at once")
    until("the messages behind it follow", lambda: not _open(desk, task))
    text = _unwrapped(desk.run("tasks", "show", task.account, task.key))
    _expect(f"{NAME} has received all" in text, "the story says that the CRM has all")


def _by_curl(desk: Desk, crm: BrokenCrm, task: Chosen, api: str) -> None:
    scopes = ("--scope", "read", "--scope", "numbers", "--scope", "subscribe")
    token = desk.ask("tokens", "create", "desk", *scopes)["token"]
    phone = task.phone.replace("+", "%2B")
    found = desk.curl(f"{api}/v1/find?phone={phone}", token)
    _expect(found["found"][0]["task"]["key"] == task.key, "the number leads to its task")
    story = desk.curl(f"{api}/v1/tasks/{task.account}/{task.key}/story", token)
    _expect("connected at" in story["sentences"][0], "the story begins with a sentence")
    delivery = story["deliveries"][0]
    raw = desk.curl(f"{api}{delivery['path']}", token)
    _expect(raw["id"] == delivery["id"] and "body" in raw, "the story leads to a raw hook")
    failed = _failed(desk, task)
    assert failed is not None
    message = desk.curl(f"{api}/v1/messages/{failed['seq']}", token)
    _expect(message["postings"][-1]["status"] == 500, "the message says what the CRM answered")
    crm.broken = ""
    print("\n(The CRM is mended.)")
    path = f"/v1/subscriptions/{message['message']['subscription']}/messages/{failed['seq']}/retry"
    until("the message is retried at once", lambda: _is_retried(desk, f"{api}{path}", token))
    until("the messages behind it follow", lambda: not _open(desk, task))


def _is_retried(desk: Desk, url: str, token: str) -> bool:
    """Retry a message. If it is under way on its own just now, whoever asks is told to look again."""
    try:
        return "204" in json.dumps(desk.curl(url, token, "-X", "POST"))
    except RuntimeError as error:
        if '"code":"conflict"' not in str(error):
            raise
    api, _, path = url.partition("/v1/subscriptions/")
    message = desk.curl(f"{api}/v1/messages/{path.split('/')[2]}", token)
    return bool(message["postings"][-1]["status"] == 204)


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)
    print(f"ok  {what}", flush=True)


def main() -> int:
    """Return the exit code: 1 if a step failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.story", description=__doc__)
    parser.add_argument("--tasks", type=int, default=12, help="tasks of the demo (default %(default)s)")
    with tempfile.TemporaryDirectory(prefix="receiver-story-") as folder:
        try:
            show(Path(folder), parser.parse_args().tasks)
        except (AssertionError, RuntimeError, TimeoutError) as error:
            print(f"FAILED  {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
