"""`python -m tests.e2e.dev`: `receiver dev` and `receiver listen` with a CRM of twenty lines.

The CRM gets its first verified event, directly and through `listen`. Its secret is rotated, and it verifies
with the old and the new one. It breaks: the subscription of operators gets an event. It is mended, its
messages are retried, and operators get the event that it works again.
"""

import argparse
import base64
import hmac
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

_DEADLINE_S, _LOOK_S = 120.0, 0.1
RECEIVER = (sys.executable, "-m", "receiver")


@dataclass
class Crm:
    """The CRM: it keeps each event once, if its signature is right. `status`: what it answers then;
    `problem`: the text of a failure; `now`: the clock of the receiver.
    """

    secret: str = ""
    status: int = 204
    problem: bytes = b""
    now: Callable[[], float] = time.time
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: int = 0
    failed: int = 0

    def take(self, headers: Any, body: bytes) -> int:
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        recent = abs(self.now() - int(headers["webhook-timestamp"])) < 300
        if not recent or expected not in headers["webhook-signature"].split(" "):
            self.refused += 1
            return 401
        if self.status >= 300:
            self.failed += 1
            return self.status
        self.events.setdefault(headers["webhook-id"], json.loads(body))
        return self.status


@contextmanager
def serving(crm: Crm) -> Iterator[str]:
    """Serve the CRM until the end of the block; yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = crm.take(self.headers, body)
            self.send_response(status)
            self.end_headers()
            if status >= 300:
                self.wfile.write(crm.problem)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}/outcomes"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


@dataclass(frozen=True)
class Place:
    """The folder of the developer, in which commands run. `speed`: of their clocks, so that waiting is short;
    `origin`: epoch second at which these are right.
    """

    folder: Path
    speed: float = 1.0
    origin: float = field(default_factory=time.time)

    def now(self) -> float:
        """Return the time of the commands' clocks."""
        return self.origin + (time.time() - self.origin) * self.speed

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables of commands."""
        clock = {"RECEIVER_CLOCK_SPEED": str(self.speed), "RECEIVER_CLOCK_ORIGIN": str(self.origin)}
        return os.environ | (clock if self.speed != 1.0 else {})

    def run(self, *arguments: str) -> Any:
        """Run a command that prints JSON."""
        config = str(self.folder / "receiver-dev" / "receiver.toml")
        environment = self.environment | {"RECEIVER_CONFIG": config}
        command = [*RECEIVER, *arguments, "--json"]
        done = subprocess.run(
            command, check=False, cwd=self.folder, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"receiver {' '.join(arguments)}: {done.stderr}")
        return json.loads(done.stdout)

    @contextmanager
    def running(self, *arguments: str) -> Iterator[Path]:
        """Run a command until the end of the block, and stop it by ^C. Yields its log."""
        log = self.folder / f"{arguments[0]}.log"
        with log.open("a") as file:
            process = subprocess.Popen(
                [*RECEIVER, *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
            try:
                yield log
                if process.poll() is not None:
                    raise RuntimeError(f"receiver {arguments[0]} has ended: {log.read_text()}")
            finally:
                process.send_signal(signal.SIGINT)
                code = process.wait(_DEADLINE_S)
        if code:
            raise RuntimeError(f"receiver {arguments[0]} ended with {code} after ^C: {log.read_text()}")


def until(what: str, holds: Callable[[], object]) -> None:
    """Wait until the condition holds, and print that it does. Raises TimeoutError."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > _DEADLINE_S:
            raise TimeoutError(f"not within {_DEADLINE_S:.0f} s: {what}")
        time.sleep(_LOOK_S)
    print(f"ok  {what}", flush=True)


def show(place: Place, every: str = "3s") -> None:
    """Play the whole story. Raises an error at the first step that fails."""
    crm, laptop, operators = Crm(now=place.now), Crm(), Crm(now=place.now)
    with serving(crm) as crm_url, serving(laptop) as laptop_url, serving(operators) as operators_url:
        with place.running("dev", "--every", every) as log:
            until("`receiver dev` is running", lambda: "receiver dev` is running" in log.read_text())
            _subscribe(place, crm, "my CRM", crm_url)
            wanted = ("--set", 'filter.types=["operator.*"]')
            _subscribe(place, operators, "operators", operators_url, *wanted)
            until("the CRM has its first verified event", lambda: crm.events)
            laptop.secret = crm.secret
            with place.running("listen", "--forward", laptop_url, "--subscription", "my CRM"):
                until("`receiver listen` forwards with the subscription's secret", lambda: laptop.events)
            _rotate(place, crm)
            _break_and_mend(place, crm, operators)
        _start_again(place, crm, every)
        refused = [each.refused for each in (crm, laptop, operators)]
        if any(refused):
            raise AssertionError(f"refused by CRM, laptop and operators: {refused}")


def _subscribe(place: Place, crm: Crm, *arguments: str) -> None:
    crm.secret = place.run("subscriptions", "add", *arguments)["secret"]


def _rotate(place: Place, crm: Crm) -> None:
    answer = place.run("subscriptions", "rotate", "my CRM", "--overlap", "300")
    before = len(crm.events)
    until("after the rotation the old secret still verifies", lambda: len(crm.events) > before)
    crm.secret = answer["secret"]
    before = len(crm.events)
    until("and the new one does", lambda: len(crm.events) > before)


def _break_and_mend(place: Place, crm: Crm, operators: Crm) -> None:
    crm.status = 500
    until("the CRM is broken", lambda: crm.failed)
    failing, recovered = (f"operator.subscription.{word}" for word in ("failing", "recovered"))
    until("operators get an event about it", lambda: failing in _types(operators))
    (row,) = place.run("status")["failing"]
    print(f"    receiver status: {row['name']} fails since {row['failing_since']}: {row['problem']}")
    crm.status = 204
    waiting = {event["id"] for event in place.run("events", "--limit", "100")["events"] if _waits(event)}
    print(f"    receiver subscriptions retry: {place.run('subscriptions', 'retry', 'my CRM', '--waiting')}")
    until(f"the CRM is mended, and has all {len(waiting)} events", lambda: waiting <= crm.events.keys())
    until("operators get the event that it works again", lambda: recovered in _types(operators))


def _types(crm: Crm) -> set[str]:
    """Return the types of the CRM's events."""
    return {event["type"] for event in list(crm.events.values())}


def _waits(event: Any) -> bool:
    """Return whether the CRM has not got an event yet."""
    return any(each["name"] == "my CRM" and each["state"] == "waiting" for each in event["deliveries"])


def _start_again(place: Place, crm: Crm, every: str) -> None:
    before = len(crm.events)
    with place.running("dev", "--every", every):
        until("after a restart everything goes on", lambda: len(crm.events) > before)


def main() -> int:
    """Return the exit code: 1 if a step failed."""
    argparse.ArgumentParser(prog="python -m tests.e2e.dev", description=__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="receiver-dev-") as folder:
        try:
            show(Place(Path(folder)))
        except (AssertionError, RuntimeError, TimeoutError) as error:
            print(f"FAILED  {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
