"""`receiver capture --refused`: what a running `serve` has refused, asked at its API."""

import asyncio
from pathlib import Path

import pytest

from receiver.cli.capture_refused import capture_refused
from receiver.errors import InputError
from receiver.settings.models import ApiSettings
from receiver.settings.settings import load_settings
from tests.app.serving import serving
from tests.cli.shell import Said, Shell

SAID = "not-the-secret-of-it"


async def asked(shell: Shell, *options: str) -> tuple[Said, Said]:
    """The command's table and its JSON, beside a receiver that has refused two hooks."""
    async with serving(shell.folder) as house:
        for _ in range(2):
            assert (await house.hooks.post(f"/hooks/main/after/{SAID}?x={SAID}")).status_code == 404
        assert (await house.hooks.get(house.hook("r1") + "%20")).status_code == 200
        api = f"http://127.0.0.1:{house.api_port}/"
        said = [
            await asyncio.to_thread(shell.run, "capture", "--refused", "--api", api, *more)
            for more in ((), ("--json",))
        ]
    return said[0], said[1]


def test_it_tells_what_did_not_fit_how_often_and_from_where(shell: Shell) -> None:
    table, document = asyncio.run(asked(shell))
    assert (table.status, document.status) == (0, 0), table.err
    (refused,) = document.json["refused"]
    told = {name: refused[name] for name in ("part", "account", "event", "count", "peer")}
    assert told == {"part": "secret", "account": "main", "event": "after", "count": 2, "peer": "127.0.0.1"}
    lines = [line.split() for line in table.out.splitlines() if line.strip()]
    assert ["last", "times", "account", "event", "part", "from"] in lines
    assert [line[-5:] for line in lines if line[-1] == "127.0.0.1"] == [
        ["2", "main", "after", "secret", "127.0.0.1"]
    ]
    assert "fixed_secret" in table.out
    assert SAID not in table.out + document.out
    assert shell.ask("tokens", "list") == []


def test_where_no_receiver_runs_it_says_so(shell: Shell) -> None:
    error = shell.refused("capture", "--refused", "--api", "http://127.0.0.1:9")
    assert (
        "--api: 127.0.0.1:9: connection refused: nothing listens there, or a firewall refuses it; is" in error
    )
    assert shell.ask("tokens", "list") == []


def test_what_is_no_receiver_of_this_store_is_named(shell: Shell, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()

    async def ask() -> Said:
        async with serving(other) as house:
            api = f"http://127.0.0.1:{house.api_port}"
            return await asyncio.to_thread(shell.run, "capture", "--refused", "--api", api)

    said = asyncio.run(ask())
    assert said.status == 2
    assert "is not the API of a receiver with this store: status 401" in " ".join(said.err.split())


@pytest.mark.parametrize(
    ("host", "asked_at"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("localhost", "localhost")],
)
def test_without_an_address_it_asks_where_the_settings_have_the_api(
    shell: Shell, host: str, asked_at: str
) -> None:
    settings = load_settings(shell.config).model_copy(update={"api": ApiSettings(host=host, port=9)})
    with pytest.raises(InputError, match=rf"--api: {asked_at.replace('[', '.').replace(']', '.')}:9: "):
        capture_refused(settings, None, as_json=True)


def test_a_port_that_is_chosen_at_the_start_must_be_given(shell: Shell) -> None:
    settings = load_settings(shell.config).model_copy(update={"api": ApiSettings(port=0)})
    with pytest.raises(InputError, match=r"api\.port is 0"):
        capture_refused(settings, None, as_json=True)
