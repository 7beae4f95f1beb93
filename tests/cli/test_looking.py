"""`receiver status`, `deliveries show`, `outcomes` and `config show`: what they print, and what they hide."""

import asyncio
import json
import time
from pathlib import Path
from shutil import copy

import pytest
from sqlalchemy import Connection

from receiver.outcomes import subscription_sql
from receiver.storage.leases import LeaseRenewal, renew
from tests.cli.shell import KEY, SECRET, Shell
from tests.http.api_env import A_NUMBER, ApiEnv, running_rig

BODY = b"id=4711&a_number=%2B79161234567&finish_result=success&note=call+79161234567"


async def _fill(api_env: ApiEnv, now: float) -> None:
    await api_env.settled_without_after("o-1", now - 200)
    await api_env.hook("o-2", "before", now - 10, BODY)
    body = {"name": "sales CRM", "url": "https://crm.example/hook"}
    added = await api_env.ask("/v1/subscriptions", "subscribe", method="POST", json=body)
    assert added.status_code == 200, added.text
    name = added.json()["subscription"]["id"]

    def fail(connection: Connection) -> None:
        values = {"failing_since": now - 60, "failed_at": now, "problem": "answered 401"}
        subscription_sql.change(connection, name, values)
        renew(connection, LeaseRenewal("host:1:abc", ("delivery",), (), 600.0, now))

    await api_env.store.write(fail)
    await api_env.hook("o-2", "after", now - 5, result="success")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with hooks of the last minutes, a subscription that fails, and a lease."""
    folder = tmp_path_factory.mktemp("looking")

    async def fill() -> None:
        async with running_rig(folder) as api_env:
            await _fill(api_env, time.time())

    asyncio.run(fill())
    return folder / "receiver.db"


@pytest.fixture
def filled(shell: Shell, kept: Path) -> Shell:
    copy(kept, shell.store)
    shell.config.write_text(shell.config.read_text().replace("clock_speed = 50.0", "clock_speed = 1.0"))
    return shell


def test_the_status_names_what_comes_waits_and_fails(filled: Shell) -> None:
    found = filled.ask("status")
    assert 2 <= found["hooks"]["last_minute"] <= 3
    assert found["hooks"]["lost_today"] in ({"after": 1}, {})  # {}: just after midnight
    assert [wait["stage"] for wait in found["waits"]][-1] == "deliver"
    (failing,) = found["failing"]
    assert (failing["name"], failing["problem"], failing["pending"] > 0) == (
        "sales CRM",
        "answered 401",
        True,
    )
    assert [(lease["name"], lease["is_held"]) for lease in found["leases"]] == [("delivery", True)]


def test_the_status_is_a_page_of_80_columns(filled: Shell) -> None:
    said = filled.run("status")
    assert (said.status, said.err) == (0, "")
    assert said.widest <= 80
    for text in ("Hooks: ", "Lost hooks today: ", "sales CRM", "answered 401", "delivery", "no pass yet"):
        assert text in said.out


def test_a_delivery_is_shown_with_masked_numbers_and_without_its_body(filled: Shell) -> None:
    (first,) = filled.ask("deliveries", "list", "--ref", "o-2", "--event", "before")["deliveries"]
    masked, whole = (filled.run("deliveries", "show", first["id"], *more) for more in ((), ("--numbers",)))
    assert "9161234567" not in masked.out
    assert "+791•••67" in masked.out
    assert "Query and body are shown with --numbers." in masked.out
    assert A_NUMBER in whole.out
    assert BODY.decode() in whole.out
    shown = filled.ask("deliveries", "show", first["id"])
    assert (shown["query"], shown["body"], "9161234567" in json.dumps(shown)) == (None, None, False)
    assert filled.ask("deliveries", "show", first["id"], "--numbers")["body"] == BODY.decode()


def test_a_delivery_that_is_not_there_is_an_error(filled: Shell) -> None:
    assert "there is no such delivery" in filled.refused("deliveries", "show", "0" * 32)


def test_outcomes_are_lines_in_the_order_of_publication(filled: Shell) -> None:
    said = filled.run("outcomes")
    lines = said.out.splitlines()
    assert lines[0].split()[1:3] == ["task.started", "o-1"]
    cursor = said.err.split()[-1]
    assert said.err == f"Continue with --after {cursor}\n"
    assert filled.run("outcomes", "--after", cursor).out == ""
    events = [json.loads(line) for line in filled.run("outcomes", "--json").out.splitlines()]
    assert [event["type"] for event in events] == [line.split()[1] for line in lines]
    (one,) = filled.ask("events", "--task", "o-1", "--type", "task.started")["events"]
    assert one["id"] == events[0]["id"]


def test_an_event_names_the_subscriptions_that_got_it(filled: Shell) -> None:
    (event,) = filled.ask("events", "--task", "o-2", "--type", "task.finished")["events"]
    assert [(each["name"], each["state"]) for each in event["deliveries"]] == [("sales CRM", "waiting")]
    assert "sales CRM: waiting" in filled.run("events", "--task", "o-2").out


def test_every_setting_is_shown_with_its_source_and_no_secret(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("another-application-secret\n")
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "RECEIVER_LOG_LEVEL").write_text("error")
    monkeypatch.setenv("RECEIVER_STORE", "postgresql://u:the-password@db/r?password=the-password")
    monkeypatch.setenv("RECEIVER_API", '{"port": 9999}')
    monkeypatch.setenv("RECEIVER_ACCOUNTS__MAIN__OAUTH_CLIENT_SECRET_FILE", str(secret))
    monkeypatch.setenv("RECEIVER_SECRETS", str(folder))
    found = {one["name"]: (one["value"], one["source"], one["place"]) for one in shell.ask("config", "show")}
    assert found["host"] == ("127.0.0.1", "default", None)
    assert found["accounts.main.client_id"] == ("10001", "file", str(shell.config))
    assert found["api.port"] == (9999, "environment", "RECEIVER_API")
    assert found["api.host"] == ("127.0.0.1", "default", None)
    assert found["store"] == ("postgresql://u:•••@db/r?password=•••", "environment", "RECEIVER_STORE")
    assert found["accounts.main.oauth_client_secret"] == ("•••", "secret file", str(secret))
    assert found["log_level"] == ("error", "secret file", str(folder / "RECEIVER_LOG_LEVEL"))
    assert found["hook_keys"][0] == [{"name": "k1", "secret": "•••"}]
    texts = shell.run("config", "show").out + shell.run("config", "show", "--csv").out + json.dumps(found)
    assert not [
        hidden for hidden in (KEY, SECRET, "another-application-secret", "the-password") if hidden in texts
    ]
    assert shell.run("config", "show").widest <= 80
    changed = {one["name"] for one in shell.ask("config", "show", "--changed")}
    assert "host" not in changed
    assert {"api.port", "log_level", "clock_speed"} <= changed
