"""`receiver check`: a doctor."""

import pytest

from tests.cli.shell import KEY, ROOT, SECRET, Shell
from tests.e2e.processes import free_port


def _verdicts(shell: Shell, status: int) -> dict[str, tuple[str, str]]:
    """Subject → (verdict, detail), of a check that exits so."""
    said = shell.run("check", "--json")
    assert said.status == status, said
    assert not any(secret in said.out + said.err for secret in (SECRET, KEY))
    return {check["subject"]: (check["verdict"], check["detail"]) for check in said.json}


def test_what_is_in_place_is_said_to_be(office: Shell) -> None:
    office.run("queues", "create", "Sales", "--account", "main")
    verdicts = _verdicts(office, 0)
    well = ["settings", f"store {office.store}", "public_url", "account main", "clock of main"]
    assert {subject: verdicts[subject][0] for subject in well} == dict.fromkeys(well, "ok")
    assert verdicts["hooks reachable"][0] == "warning", "nobody serves the hooks here"


def test_a_scheduler_that_is_down_fails(shell: Shell) -> None:
    verdict, detail = _verdicts(shell, 1)["account main"]
    assert verdict == "failed"
    assert "connection refused" in detail
    assert "check base_url" in detail


def test_credentials_that_are_not_accepted_fail(office: Shell) -> None:
    office.configure(secret='"somebody-elses-secret"')
    said = office.run("check")
    assert said.status == 1
    assert "account main verdict failed" in " ".join(said.out.split())
    assert "somebody-elses-secret" not in said.out + said.err


def test_a_folder_that_is_not_there_fails_with_the_fix(shell: Shell) -> None:
    shell.configure(store=f'"{shell.folder / "data" / "receiver.db"}"')
    verdict, detail = _verdicts(shell, 1)[f"store {shell.folder / 'data' / 'receiver.db'}"]
    assert (verdict, detail) == (
        "failed",
        f"there is no folder {shell.folder / 'data'}: create it, or change `store`",
    )


def test_a_store_that_is_no_database_fails(shell: Shell) -> None:
    shell.store.write_bytes(b"no database at all" * 100)
    verdict, detail = _verdicts(shell, 1)[f"store {shell.store}"]
    assert verdict == "failed"
    assert "not a database" in detail


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_hooks_that_nobody_outside_can_reach_are_warned_of(host: str, shell: Shell) -> None:
    url = f"http://{host}:{free_port()}"
    shell.config.write_text(shell.config.read_text().replace(ROOT, url))
    verdicts = _verdicts(shell, 1)
    assert verdicts["public_url"] == (
        "warning",
        f"{url} is not reachable from outside: set `public_url`",
    )
    assert verdicts["hooks reachable"] == (
        "warning",
        f"{url.removeprefix('http://')}: connection refused: nothing listens there, or a firewall "
        "refuses it; "
        "is `receiver serve` running there?",
    )


def test_bad_settings_are_a_check_that_could_not_be_made(shell: Shell) -> None:
    shell.configure(key='"short"')
    assert "hook_keys.0.secret" in shell.refused("check")
