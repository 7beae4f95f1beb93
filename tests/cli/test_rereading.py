"""`receiver reread`: what it says to people and machines, beside the API."""

import asyncio
from pathlib import Path

import pytest

from receiver.inbox.rereader import RereadPart
from receiver.intake.reread_endpoint import RereadSum
from receiver.ledger.tables import FACT
from receiver.storage.engine import Store
from tests.cli.shell import Shell
from tests.http.api_env import T0, open_api_env

ALIASES = '\n[aliases]\ntask_id = ["Nummer"]\n'


async def _fill(target: str) -> None:
    async with open_api_env(target) as api_env:
        await api_env.nameless("after", T0, b"Nummer=7")
        await api_env.nameless("before", T0 + 1, b"other=7")
        await api_env.hook("r1", "after", T0 + 2, b"result=failed")


@pytest.fixture
def filled(shell: Shell, store_target: str) -> Shell:
    """A store on either database, and settings whose mapping is right now."""
    shell.configure(store=f'"{store_target}"')
    asyncio.run(_fill(store_target))
    shell.config.write_text(shell.config.read_text() + ALIASES)
    return shell


def facts(target: str) -> int:
    store = Store(target)
    try:
        with store.snapshot() as connection:
            return len(connection.execute(FACT.select()).all())
    finally:
        store.close()


def test_a_rehearsal_shows_by_kind_and_one_by_one_what_would_change(filled: Shell, store_target: str) -> None:
    said = filled.run("reread", "--dry-run")
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert "main after placed 1" in lines
    assert "main after changed 1" in lines
    assert "3 deliveries read again, 2 would change." in lines
    assert any("placed – #7" in line for line in lines)
    assert any("changed r1 r1 result" in line for line in lines)
    assert facts(store_target) == 1


def test_what_is_read_again_is_kept_once(filled: Shell, store_target: str) -> None:
    first = filled.ask("reread")
    assert (first["read"], first["changed"], first["dry_run"]) == (3, 2, False)
    assert [change["after"] for change in first["changes"]] == [["#7"], ["r1"]]
    assert facts(store_target) == 3
    assert filled.ask("reread")["changed"] == 0
    assert facts(store_target) == 3


def test_the_audit_names_the_user_of_the_system_as_the_api_names_its_caller(filled: Shell) -> None:
    filled.run("reread", "--dry-run")
    assert filled.ask("audit")["records"] == []
    filled.ask("reread", "--account", "main")
    filled.ask("reread")
    records = filled.ask("audit")["records"]
    assert [(each["action"], each["object"], each["detail"]) for each in records] == [
        ("deliveries.reread", "all", {"read": 3, "changed": 0, "failed": 0}),
        ("deliveries.reread", "main", {"read": 3, "changed": 2, "failed": 0}),
    ]
    assert all(each["actor"].startswith("cli:") for each in records)


def test_a_run_that_is_interrupted_is_recorded_with_what_it_changed(
    filled: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = RereadSum.add

    def interrupted(total: RereadSum, part: RereadPart) -> None:
        add(total, part)
        raise KeyboardInterrupt

    monkeypatch.setattr(RereadSum, "add", interrupted)
    filled.run("reread")
    (record,) = filled.ask("audit")["records"]
    assert record["detail"] == {"read": 3, "changed": 2, "failed": 0}


def test_it_says_that_tasks_are_folded_by_a_running_receiver(filled: Shell) -> None:
    assert "Their tasks are folded by a running receiver" in filled.run("reread").out
    assert "folds" not in filled.run("reread").out


def test_options_narrow_down_what_is_read(filled: Shell) -> None:
    assert filled.ask("reread", "--dry-run", "--problem", "any")["read"] == 2
    assert "there is no account 'second'" in filled.refused("reread", "--dry-run", "--account", "second")
    assert filled.ask("reread", "--dry-run", "--since", str(T0 + 1), "--until", str(T0 + 2))["read"] == 1


def test_an_option_that_cannot_be_used_is_named(filled: Shell) -> None:
    said = filled.run("reread", "--since", "yesterdy")
    assert (said.status, "--since" in said.err) == (2, True)


def test_suspected_hooks_have_a_list_of_their_own(filled: Shell, tmp_path: Path) -> None:
    assert "Suspected hooks" in filled.run("lost-hooks", "--suspected").out
    assert filled.ask("lost-hooks", "--suspected")["findings"] == []
