"""The blocks of the tutorial, checked quickly. `python -m tests.e2e.tutorial` runs all of them."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from standardwebhooks import Webhook

from tests.e2e.processes import free_port
from tests.e2e.tutorial import MOST_COMMANDS, blocks, commands_to_the_first_event

SECRET = "whsec_" + "c2VjcmV0" * 4


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.splitlines()[0])
def test_a_block_is_shell(block: str) -> None:
    subprocess.run(["bash", "-n"], input=block, text=True, check=True)


def test_the_first_verified_event_takes_few_commands() -> None:
    typed = commands_to_the_first_event()
    assert typed[0] == "python3 -m venv .venv"
    assert typed[-1].startswith("python3 crm.py")
    assert len(typed) <= MOST_COMMANDS


@contextmanager
def running_crm(folder: Path) -> Iterator[str]:
    """Run the CRM that the tutorial writes; yield its URL."""
    port = free_port()
    (writing,) = (block for block in blocks() if block.startswith("cat > crm.py"))
    subprocess.run(["bash"], input=writing, text=True, cwd=folder, check=True)
    program = folder / "crm.py"
    program.write_text(program.read_text().replace("9000", str(port)))
    (folder / "subscription.json").write_text(json.dumps({"secret": SECRET}))
    with (folder / "crm.log").open("w") as log:
        crm = subprocess.Popen([sys.executable, program], cwd=folder, stdout=log)
    try:
        yield f"http://127.0.0.1:{port}/outcomes"
    finally:
        crm.terminate()
        crm.wait(10)


def post(url: str, headers: dict[str, str], body: str) -> int:
    for _ in range(100):
        try:
            return httpx2.post(url, content=body, headers=headers, timeout=5).status_code
        except httpx2.ConnectError:
            time.sleep(0.05)
    raise TimeoutError(url)


def test_the_crm_of_the_tutorial_keeps_a_signed_event_once_and_refuses_others(tmp_path: Path) -> None:
    body = json.dumps({"id": "evt_1", "type": "task.finished", "data": {"ref": "r1", "result": "connected"}})
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": "v1,AAAA " + Webhook(SECRET).sign("evt_1", now, body),
    }
    stale = headers | {"webhook-timestamp": str(int(now.timestamp()) - 1000)}
    with running_crm(tmp_path) as url:
        assert [post(url, headers, body), post(url, headers, body)] == [204, 204]
        assert [post(url, headers, body + " "), post(url, stale, body), post(url, {}, body)] == [
            401,
            401,
            401,
        ]
    log = (tmp_path / "crm.log").read_text().splitlines()
    assert log[0] == "VERIFIED: task.finished r1 connected"
    assert log[1:] == ["REFUSED: not signed with our secret"] * 3
