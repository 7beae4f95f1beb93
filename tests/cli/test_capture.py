"""`receiver capture`: what hooks really look like."""

import asyncio
import signal
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path
from threading import Timer

import pytest

from receiver.cli.capture import deliveries
from receiver.storage.engine import Store
from tests.cli.shell import Shell
from tests.http.api_env import T0, open_api_env

BODY = b"TaskNo=4711&number=%2B79161234567&Meldung=%5B%2Fred%5D"


@pytest.fixture
def filled(shell: Shell) -> Shell:
    _deliver(shell.store, 3)
    return shell


def _deliver(target: Path | str, count: int, at: float = T0, body: bytes = BODY) -> None:
    async def fill() -> None:
        async with open_api_env(str(target)) as api_env:
            for number in range(count):
                await api_env.hook(f"o-{at - T0 + number:.0f}", "before", at + number, body)

    asyncio.run(fill())


def test_deliveries_are_told_as_they_came(filled: Shell) -> None:
    answer = filled.ask("capture", "--last", "2")
    assert [delivery["ref"] for delivery in answer["deliveries"]] == ["o-1", "o-2"]
    first = answer["deliveries"][0]
    assert first["body"] == BODY.decode()
    assert (first["method"], first["query"], first["event"]) == ("POST", "id=5", "before")
    assert ["number", "+79161234567"] in first["read"]
    assert first["headers"] == [["content-type", "application/x-www-form-urlencoded"]]


def test_fields_that_are_not_read_yet_are_proposed_as_a_setting(filled: Shell) -> None:
    answer = filled.ask("capture")
    fields = {field["name"]: field for field in answer["fields"]}
    assert fields["id"]["read_as"] == "task_id"
    assert fields["TaskNo"] == {
        "name": "TaskNo",
        "seen": 3,
        "example": "4711",
        "read_as": None,
        "proposed": "task_id",
        "empty": None,
    }
    aliases = tomllib.loads(answer["setting"])["aliases"]
    assert aliases["task_id"][-1] == "TaskNo"
    filled.file("receiver.toml", filled.config.read_text() + answer["setting"])
    assert {f["name"]: f["read_as"] for f in filled.ask("capture")["fields"]}["TaskNo"] == "task_id"


def test_for_people_all_of_it_is_shown_even_what_looks_like_markup(filled: Shell) -> None:
    said = filled.run("capture", "--last", "1")
    assert said.status == 0
    assert BODY.decode() in said.out
    assert "content-type: application/x-www-form-urlencoded" in said.out
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert "name seen example read as proposed" in lines
    assert "Meldung 1 [/red] – –" in lines
    assert "[aliases]" in lines


def test_what_is_read_is_said_and_what_is_not_is_named_and_asked_for(shell: Shell) -> None:
    _deliver(shell.store, 1, body=b"CallID={call_id}&EventTime=1700000000&Leg=x")
    said = shell.run("capture")
    lines = " ".join(said.out.split())
    assert "read as before: task_id=5 sent_at=1700000000.0" in lines.replace(",", "")
    assert "CallID is not read: means nothing: {call_id}" in lines
    assert "No hook has a call:" in lines
    assert "Is it one of Leg? Then add it to call in [aliases]." in lines
    answer = shell.ask("capture")
    (event,) = answer["deliveries"][0]["events"]
    assert (event["event"], event["task_id"], event["call"]) == ("before", "5", None)
    assert [(each["field"], each["names"]) for each in answer["missing"]] == [("call", ["Leg"])]


def test_a_long_body_is_cut_at_two_kib(shell: Shell) -> None:
    _deliver(shell.store, 1, body=b"id=7&x=" + b"y" * 100_000)
    said = shell.run("capture")
    assert 2_000 < said.out.count("y") < 2_500
    assert "97959 more characters" in " ".join(said.out.split())
    (delivery,) = shell.ask("capture")["deliveries"]
    assert (len(delivery["body"]) < 2_200, delivery["body_bytes"]) == (True, 100_007)


def test_without_any_delivery_it_says_how_to_get_one(shell: Shell) -> None:
    said = shell.run("capture")
    assert said.status == 0
    assert "receiver urls mint" in said.err
    assert shell.ask("capture") == {"deliveries": [], "fields": [], "missing": [], "setting": ""}


def _read_until(process: "subprocess.Popen[str]", words: str) -> str:
    """What it prints up to the line with these words."""
    assert process.stdout is not None
    shown = ""
    for line in process.stdout:
        shown += line
        if words in line:
            return shown
    raise AssertionError(f"ended after {shown!r}")


def test_following_prints_what_comes_until_it_is_interrupted(filled: Shell) -> None:
    command = [
        sys.executable,
        "-m",
        "receiver",
        "capture",
        "--follow",
        "--last",
        "1",
        "-c",
        str(filled.config),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert "main/o-1 " not in _read_until(process, "main/o-2")
        _deliver(filled.store, 1, T0 + 10)
        _read_until(process, "main/o-10")
        process.send_signal(signal.SIGINT)
        rest, trouble = process.communicate(timeout=20)
    finally:
        process.kill()
        process.communicate()
    assert "Fields of 2 deliveries" in rest
    assert (process.returncode, trouble.strip()) == (0, "")


def test_following_tells_the_latest_and_then_only_what_comes(store_target: str) -> None:
    """Be it older than what is known: of two deliveries the one that came first may be committed last."""
    _deliver(store_target, 3)
    with closing(Store(store_target)) as store:
        following = deliveries(store, 1, follow=True)
        assert next(following).ref == "o-2"
        for at in (-5, 10):
            later = Timer(0.2, _deliver, (store_target, 1, T0 + at))
            later.start()
            assert next(following).ref == f"o-{at}"
            later.join()
