"""`receiver dev` and `receiver listen` as a developer runs them; `python -m tests.e2e.dev` is their story."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import pytest

from receiver.outcomes.signing import new_secret
from receiver.settings.settings import load_settings
from tests.e2e.dev import RECEIVER, Crm, Place, serving, show, until

pytestmark = pytest.mark.slow


@pytest.mark.timeout(400)
def test_the_story(tmp_path: Path) -> None:
    show(Place(tmp_path, speed=5.0), every="1s")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A folder in which `receiver dev` runs, with some outcomes."""
    place = Place(tmp_path_factory.mktemp("dev"))
    with place.running("dev", "--tasks", "3") as log:
        until("dev has outcomes", lambda: "task.started" in log.read_text())
        yield place


def listen(place: Place, *options: str) -> tuple[int, str]:
    """Run `receiver listen` until it ends by itself. Return its status and what it printed."""
    command = [*RECEIVER, "listen", "--forward", "http://localhost:1/", *options]
    done = subprocess.run(command, check=False, cwd=place.folder, capture_output=True, text=True, timeout=60)
    return done.returncode, " ".join(f"{done.stdout}{done.stderr}".split())


def test_only_the_owner_reads_settings_token_and_state(place: Place) -> None:
    folder = place.folder / "receiver-dev"
    modes = {
        name: (folder / name).stat().st_mode & 0o777 for name in ("receiver.toml", "token", "emulator.json")
    }
    assert set(modes.values()) == {0o600}
    assert load_settings(folder / "receiver.toml").delivery.allowed_networks == ("127.0.0.0/8", "::1/128")


def test_the_printed_link_opens_the_console_once(place: Place) -> None:
    link = re.search(r"console +(\S+)", (place.folder / "dev.log").read_text())
    assert link
    with httpx2.Client(follow_redirects=True) as browser:
        assert browser.get(link[1]).url.path == "/console"
        assert "receiver users" not in browser.get(urljoin(link[1], "/console/queues")).text
    assert httpx2.get(link[1]).status_code == 410


def test_an_event_is_tried_three_times_and_resent_by_its_id(place: Place) -> None:
    crm = Crm(secret=new_secret(), status=500)
    state = place.folder / "state.json"
    options = ("--state", str(state), "--secret", crm.secret)
    with serving(crm) as url:
        with place.running("listen", "--forward", url, *options, "--after", "0") as log:
            until("the first event is given up", lambda: log.read_text().count("→ 500 in") > 3)
            first = next(line for line in log.read_text().splitlines() if "→ 500 in" in line).split()[-1]
            crm.status = 204
            until("the rest is verified", lambda: len(crm.events) > 2)
        assert log.read_text().count(first) == 3
        assert first not in crm.events
        status, text = listen(place, *options, "--forward", url, "--resend", first)
        assert (status, "→ 204 in" in text) == (0, True), text
        assert first in crm.events
    cursor = state.read_text()
    status, text = listen(place, *options, "--forward", url, "--resend", first)
    assert (status, "connection refused" in text) == (1, True), text
    assert (state.read_text(), state.stat().st_mode & 0o777) == (cursor, 0o600)


def test_without_a_secret_one_is_printed_and_kept(place: Place) -> None:
    crm = Crm()
    with serving(crm) as url:
        with place.running("listen", "--forward", url) as log:
            until("the secret is printed", lambda: "signed with whsec_" in log.read_text())
            crm.secret = log.read_text().split("signed with ")[1].split()[0]
        with place.running("listen", "--forward", url, "--after", "0") as log:
            until("it verifies after a restart", lambda: crm.events)
    assert crm.secret in log.read_text()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--resend", "evt_none"), "the receiver has no event evt_none"),
        (("--subscription", "none"), "--subscription: 'none': not known; subscriptions: none"),
        (("--token", "rcv_wrong"), "--token: refused: use a token with the scope `read`"),
        (("--secret", "whsec_short"), "secret: use whsec_ with 24 to 64 bytes in base64"),
        (("--folder", "nowhere"), "there is no `receiver dev` in nowhere"),
        (("--url", "http://localhost:1"), "--token: give a token of http://localhost:1"),
        (("--url", "http://localhost:1", "--token", "t"), "connection refused"),
    ],
)
def test_what_cannot_work_is_said_with_the_fix(place: Place, options: tuple[str, ...], problem: str) -> None:
    status, text = listen(place, *options)
    assert status == 2
    assert problem in text


def test_the_hooks_are_no_api(place: Place) -> None:
    port = load_settings(place.folder / "receiver-dev" / "receiver.toml").port
    status, text = listen(place, "--url", f"http://127.0.0.1:{port}", "--token", "t")
    assert (status, "--url: this is not the API of a receiver" in text) == (2, True), text


def test_a_second_dev_on_the_folder_is_refused(place: Place) -> None:
    done = subprocess.run(
        [*RECEIVER, "dev"], check=False, cwd=place.folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "is served by another process" in done.stderr
