"""`receiver queues`."""

from pathlib import Path

from tests.cli.emulation import Emulation, emulation
from tests.cli.shell import Shell


def test_a_queue_that_was_created_is_listed_with_its_tasks(office: Shell) -> None:
    created = office.ask("queues", "create", "Sales", "--account", "main", "--limit", "5")
    assert created == {
        "account": "main",
        "queue_id": created["queue_id"],
        "name": "Sales",
        "status": "on",
    }
    file = office.file("tasks.csv", "ref,a_number,b_number,start_time_utc\no-1,101,102,360000\n")
    office.ask("tasks", "add", file, "--account", "main", "--queue", created["queue_id"])
    (listed,) = office.ask("queues", "list")["queues"]
    assert listed["queue_id"] == created["queue_id"]
    assert listed["concurrent_task_limit"] == 5
    assert listed["tasks"]["scheduled"] == 1
    said = office.run("queues", "list")
    assert said.out.splitlines()[2].split()[:5] == ["account", "queue_id", "name", "status", "tasks"]
    assert said.widest <= 80


def test_a_queue_can_be_created_off_and_its_name_is_shown_as_it_is(office: Shell) -> None:
    said = office.run("queues", "create", "[red]night[/x]", "--account", "main", "--off")
    assert said.status == 0
    assert said.out.endswith("([red]night[/x]) is off.\n")
    assert "[red]nig" in office.run("queues", "list").out
    (listed,) = office.ask("queues", "list", "--account", "main")["queues"]
    assert (listed["name"], listed["status"]) == ("[red]night[/x]", "off")


def test_an_account_that_is_not_known_is_refused(office: Shell) -> None:
    error = office.refused("queues", "create", "Sales", "--account", "other")
    assert error.startswith("error: account: there is no account 'other'; known: main")


def test_a_queue_whose_creation_was_not_answered_is_not_created_again(tmp_path: Path) -> None:
    with emulation(error_after=1.0) as running:
        shell = Shell(tmp_path, running.url)
        shell.configure(origin=repr(running.origin))
        error = shell.refused("queues", "create", "Sales", "--account", "main")
        assert error.startswith("error: create_queue: it may exist")
        assert sum(running.truth()["requests"]["create_queue"].values()) == 1


def test_a_scheduler_that_is_down_is_one_clear_error(shell: Shell) -> None:
    error = shell.refused("queues", "create", "Sales", "--account", "main")
    assert "connection refused" in error


def test_listing_needs_no_scheduler(shell: Shell, scheduler: Emulation) -> None:
    assert shell.ask("queues", "list") == {"queues": []}
