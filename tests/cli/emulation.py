"""A scheduler for commands to talk to: the emulator as a process of its own, set up as a test wants it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.cli.shell import SECRET, SPEED
from tests.e2e.processes import daytime_origin

_SERVE = """
import json, sys
from receiver.emulator.config import AccountConfig, EmulatorConfig
from receiver.emulator.faults import Faults
from receiver.emulator.server import serve
account, faults, given = json.loads(sys.argv[1])
serve(EmulatorConfig(accounts=(AccountConfig(*account),), faults=Faults(**faults), **given), port=0)
"""


@dataclass(frozen=True)
class Emulation:
    """Where it is, and the origin of its clock."""

    url: str
    origin: float

    def truth(self) -> dict[str, Any]:
        answer: dict[str, Any] = httpx2.get(f"{self.url}/emulator/truth", timeout=20).json()
        return answer

    def tasks(self, queue_id: str) -> list[dict[str, Any]]:
        """The tasks that really are in a queue."""
        return [task for task in self.truth()["tasks"] if str(task["queue_id"]) == queue_id]

    def delete(self, queue_id: str, task_id: str) -> None:
        """Delete a task behind everybody's back."""
        login = {"grant_type": "client_credentials", "client_id": "app", "client_secret": SECRET}
        with httpx2.Client(base_url=self.url, timeout=20) as client:
            token = client.post("/oauth/token", data=login).json()["access_token"]
            path = f"/api/ver1.0/client/10001/task_scheduler/{queue_id}/task/{task_id}"
            done = client.delete(path, headers={"Authorization": f"Bearer {token}"})
            assert done.status_code == 204, done.text


@contextmanager
def emulation(**faults: float) -> Iterator[Emulation]:
    """An emulator with these faults, until the end of the block."""
    origin = daytime_origin(SPEED)
    given = json.dumps([("10001", "app", SECRET), faults, {"speed": SPEED, "origin": origin, "seed": 3}])
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, given], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "http://" in line, line
        yield Emulation(line.split()[-1], origin)
        process.terminate()
        assert process.communicate(timeout=15)[1] == ""
    finally:
        process.kill()
        process.communicate(timeout=15)
