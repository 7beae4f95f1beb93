"""Emulator and receiver as processes of their own, driven by the commands that a user has."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.ready import becomes_ready

SECRET = "an-application-secret"
_DRIFT = 0.0001
"""Seconds that a clock which is ahead gains in one."""

RECEIVER = (sys.executable, "-m", "receiver")


class CommandError(Exception):
    """A command did not exit 0; what it said, on standard error if anything there."""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def daytime_origin(speed: float) -> float:
    """The origin of a clock `speed` times as fast that shows 9:00 UTC of today now; of speed 1 any."""
    if speed == 1.0:
        return 0.0
    now = time.time()
    return (speed * now - (now - now % 86400 + 9 * 3600)) / (speed - 1)


@dataclass
class Served:
    """One `receiver serve` with these settings, on ports of its own: one for hooks, one for the API.

    `environment`: settings that win over the file; `files`: open files that it may have, 0: as many as we;
    `log`: the file that its log is added to, None: it goes where ours does.
    """

    config: Path
    port: int = field(default_factory=free_port)
    api_port: int = field(default_factory=free_port)
    environment: Mapping[str, str] = field(default_factory=dict)
    files: int = 0
    log: Path | None = None
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """The root of hook URLs."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        """The root of the API, the metrics and `/readyz`."""
        return f"http://127.0.0.1:{self.api_port}"

    def start(self) -> None:
        command = [*RECEIVER, "serve", "--config", str(self.config)]
        if self.files:
            command = ["sh", "-c", 'ulimit -n "$0" && exec "$@"', str(self.files), *command]
        ports = {"RECEIVER_PORT": str(self.port), "RECEIVER_API__PORT": str(self.api_port)}
        given = {**os.environ, **self.environment, **ports}
        with self.log.open("ab") if self.log else nullcontext() as log:
            self.process = subprocess.Popen(command, env=given, stderr=log)
        if not becomes_ready(self.api_url):
            raise TimeoutError("the receiver did not become ready")

    @property
    def memory_mib(self) -> float:
        """What the process holds in memory now."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def kill(self) -> None:
        """kill −9: nothing is flushed, nothing is said."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        _end(self.process)


def _end(process: "subprocess.Popen[Any] | None") -> None:
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass
class Town:
    """One emulator, one receiver, and the folder with the receiver's settings and store. `public_url`: where
    hooks are sent, if not to the receiver itself.
    """

    folder: Path
    speed: float = 30.0
    seed: int = 7
    faults: str = "heavy"
    store: str = ""
    port: int = field(default_factory=free_port)
    origin: float = 0.0
    emulator_url: str = ""
    public_url: str = ""
    emulator: "subprocess.Popen[str] | None" = None

    def __post_init__(self) -> None:
        self.store = self.store or str(self.folder / "receiver.db")
        self.served = Served(self.config, self.port)

    @property
    def config(self) -> Path:
        return self.folder / "receiver.toml"

    @property
    def receiver(self) -> "subprocess.Popen[bytes] | None":
        return self.served.process

    def start_emulator(self, ahead_s: float = 0.0) -> None:
        """`ahead_s`: so far its clock is ahead; only of one that keeps the time of the wall."""
        speed, self.origin = self.speed, daytime_origin(self.speed)
        if ahead_s:
            speed, self.origin = 1 + _DRIFT, time.time() - ahead_s / _DRIFT
        options = f"--port 0 --dialect mixed --seed {self.seed} --faults {self.faults} --speed {speed}"
        command = [
            *RECEIVER,
            "emulate",
            *options.split(),
            "--quota",
            "100000",
            "--origin",
            repr(self.origin),
            "--account",
            f"10001:app:{SECRET}",
        ]
        self.emulator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.emulator.stdout is not None
        self.emulator_url = self.emulator.stdout.readline().split()[-1]
        self._write_settings()

    def join(self, other: "Town") -> None:
        """Use the other one's emulator, which has been started."""
        self.emulator_url, self.origin = other.emulator_url, other.origin
        self._write_settings()

    def _write_settings(self) -> None:
        self.config.write_text(self._settings())

    def _settings(self) -> str:
        return f"""
port = {self.port}
public_url = "{self.public_url or self.served.url}"
store = "{self.store}"
clock_speed = {self.speed}
clock_origin = {self.origin!r}
log_level = "error"
{self._account()}[api]
port = {self.served.api_port}
[reconcile]
overdue_after_s = 90
late_hook_grace_s = 240
ask_again_s = 30
sweep_every_s = 300
poll_s = 15
"""

    def _account(self) -> str:
        """The keys, and the account at the emulator."""
        return f"""
hook_keys = [{{ name = "k1", secret = "{"s" * 40}" }}]
[accounts.main]
base_url = "{self.emulator_url}/api/ver1.0"
client_id = "10001"
oauth_client_id = "app"
oauth_client_secret = "{SECRET}"
"""

    def start_receiver(self) -> None:
        self.served.start()

    def kill_receiver(self) -> None:
        self.served.kill()

    def run(self, *arguments: str) -> Any:
        """One command with `--json`; what it printed."""
        command = [*RECEIVER, *arguments, "--config", str(self.config), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise CommandError(done.stderr or done.stdout)
        return json.loads(done.stdout)

    def ask_emulator(self, what: str) -> Any:
        return httpx2.get(f"{self.emulator_url}/emulator/{what}", timeout=60).json()

    def stop(self) -> None:
        self.served.stop()
        _end(self.emulator)
        if self.emulator is not None and self.emulator.stdout is not None:
            self.emulator.stdout.close()
