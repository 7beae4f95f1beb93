"""Keeps an emulated scheduler busy, and is the CRM that is told of outcomes. For a first look only.

All that it does to the receiver it does by the receiver's own commands, which take their settings from the
same variables.
"""

import csv
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

CRM_URL = os.environ["CRM_URL"]
EVERY_S, TASKS = 30, 20
TRIES = 12
FIELDS = ("ref", "a_number", "b_number", "extension_id", "try_count", "try_again_pause", "start_time_utc")


class Crm(BaseHTTPRequestHandler):
    """Takes every outcome but some, which it wants to be sent again."""

    rng = Random()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(503 if self.rng.random() < 0.05 else 204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """The receiver's log and metrics tell it better."""


def receiver(*arguments: str) -> Any:
    """What a command of the receiver answers; tried again, since things go wrong at the emulator.

    Exits where they stay wrong: whoever starts us again has new queues made, which a new emulator needs.
    """
    for _ in range(TRIES):
        command = ["receiver", *arguments, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode == 0:
            return json.loads(done.stdout)
        print(done.stderr.strip(), file=sys.stderr, flush=True)
        time.sleep(5)
    sys.exit(f"receiver {arguments[0]} {arguments[1]} does not succeed")


def subscribe() -> None:
    """Once, however often this is started."""
    known = receiver("subscriptions", "list")["subscriptions"]
    if not any(each["name"] == "sample CRM" for each in known):
        receiver("subscriptions", "add", "sample CRM", CRM_URL)


def queue(name: str) -> str:
    """The id of a new queue."""
    return str(receiver("queues", "create", name, "--account", "main", "--limit", "50")["queue_id"])


def some_tasks(file: Path, rng: Random) -> None:
    """A file of tasks that begin until the next ones are added."""
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(FIELDS)
        for number in range(TASKS):
            ref = f"demo-{time.time_ns()}-{number}"
            phone = f"+7916{rng.randrange(10**7):07}"
            rows.writerow([ref, "101", phone, 7, rng.choice((1, 2, 3, 3, 4)), 30, rng.randrange(1, EVERY_S)])


def main() -> None:
    """Subscribe the CRM, then add tasks for ever."""
    crm = ThreadingHTTPServer(("", urlsplit(CRM_URL).port or 80), Crm)
    threading.Thread(target=crm.serve_forever, daemon=True).start()
    subscribe()
    rng, queues = Random(), [queue(name) for name in ("sales", "support")]
    with TemporaryDirectory() as folder:
        while True:
            file = Path(folder, "tasks.csv")
            some_tasks(file, rng)
            receiver("tasks", "add", str(file), "--account", "main", "--queue", rng.choice(queues))
            time.sleep(EVERY_S)


if __name__ == "__main__":
    main()
