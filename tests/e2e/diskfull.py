"""`python -m tests.e2e.diskfull`: SQLite's disk becomes full under a load of hooks; then there is room again.

The disk is a small file system in memory, which takes root or a user namespace of one's own. While it is
full, hooks must be answered 503 and readers go on; once a file in the way is deleted, the receiver must take
in hooks again by itself. What was acknowledged must be in the ledger, once, and folded.
"""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import httpx2

from tests.e2e.load import Account, Load, account
from tests.e2e.processes import CommandError, Town
from tests.e2e.report import parser_of, tell
from tests.e2e.unfinished import wait_until_finished

_INSIDE = "DISKFULL_INSIDE"
"""Set in the process that has mounts of its own."""

_PATIENCE_S = 30.0
_AFTERWARDS = 200
"""Hooks taken in after there is room again."""

_WHILE_FULL = {"/healthz": [200], "/readyz": [503], "/v1/summary": [200]}
"""What must be answered: it is alive, takes nothing in, and can be read."""

NO_DISK = "no file system can be mounted here: neither as root nor in a user namespace"


@dataclass(frozen=True)
class Sizes:
    """MiB of the disk and of the file in the way; bytes that fill each hook; seconds for which it is full."""

    disk: int = 16
    filler: int = 8
    padding: int = 2000
    seconds: float = 3.0


@dataclass(frozen=True)
class Outcome:
    """`full`: what was answered while the disk was, by path, each time it changed. `folded`: tasks in
    the end, of which each hook makes one. `differences`: what `rebuild --verify` said.
    """

    account: Account
    full: dict[str, list[int]]
    recovery_s: float
    integrity: str
    folded: int
    differences: str

    @property
    def is_good(self) -> bool:
        # At first there may be room for what readiness tries, which is less than a batch.
        answered = {path: statuses[-1:] for path, statuses in self.full.items()} == _WHILE_FULL
        answered = answered and self.full["/readyz"] in ([503], [200, 503])
        whole = self.integrity == "ok" and not self.differences and self.folded == self.account.kept
        return self.account.is_good and "503" in self.account.answers and answered and whole


async def fill(town: Town, sizes: Sizes) -> Outcome:
    """Load until the disk is full, and for a while longer; then make room, and load again."""
    filler = Path(town.store).with_name("filler")
    filler.write_bytes(b"\1" * (sizes.filler * 2**20))
    load = Load(town.served.url, padding=sizes.padding)
    running = asyncio.create_task(load.run())
    await asyncio.wait_for(load.refused.wait(), _PATIENCE_S)
    full = await _look_around(town, sizes.seconds)
    filler.unlink()
    began, before = time.monotonic(), len(load.acknowledged)
    load.taken.clear()
    await asyncio.wait_for(load.taken.wait(), _PATIENCE_S)
    recovery = time.monotonic() - began
    async with asyncio.timeout(_PATIENCE_S):
        while len(load.acknowledged) < before + _AFTERWARDS:
            await load.taken.wait()
            load.taken.clear()
    load.over = True
    await running
    await asyncio.to_thread(wait_until_finished, town.store, _PATIENCE_S)
    assert town.receiver is not None
    assert town.receiver.poll() is None, "the receiver has ended"
    return Outcome(account(load, town.store), full, round(recovery, 2), *_examined(town))


async def _look_around(town: Town, seconds: float) -> dict[str, list[int]]:
    """What the receiver answers while its disk is full."""
    answers: dict[str, list[int]] = {path: [] for path in _WHILE_FULL}
    token = {"Authorization": f"Bearer {(town.folder / 'token').read_text()}"}
    await asyncio.sleep(1.0)  # until the last free pages are used
    until = time.monotonic() + seconds
    async with httpx2.AsyncClient(base_url=town.served.api_url, headers=token) as http:
        while time.monotonic() < until:
            for path, statuses in answers.items():
                statuses.append((await http.get(path)).status_code)
            await asyncio.sleep(0.1)
    return {path: [status for status, _ in groupby(statuses)] for path, statuses in answers.items()}


def _examined(town: Town) -> tuple[str, int, str]:
    """What an integrity check says; the number of tasks; the differences to a rebuild."""
    with closing(sqlite3.connect(town.store)) as connection:
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
        (folded,) = connection.execute("SELECT count(*) FROM task").fetchone()
    try:
        town.run("rebuild", "--verify")
    except CommandError as error:
        return integrity, folded, str(error)
    return integrity, folded, ""


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of so many MiB, mounted in the folder."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def run(sizes: Sizes, seed: int) -> Outcome:
    """One round, on a disk and with a receiver of its own."""
    with tempfile.TemporaryDirectory(prefix="diskfull-") as name, small_disk(Path(name), sizes.disk) as disk:
        town = Town(Path(name), seed=seed, store=str(disk / "receiver.db"))
        try:
            town.start_emulator()
            (town.folder / "token").write_text(
                town.run("tokens", "create", "show", "--scope", "read")["token"]
            )
            town.start_receiver()
            return asyncio.run(fill(town, sizes))
        finally:
            town.stop()


def way_in() -> tuple[str, ...] | None:
    """The command that starts another one where it may mount; None where there is none."""
    for command in (("unshare", "--mount"), ("unshare", "--map-root-user", "--mount")):
        with tempfile.TemporaryDirectory() as folder:
            attempt = [*command, "mount", "-t", "tmpfs", "tmpfs", folder]
            try:
                subprocess.run(attempt, check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError):
                continue
        return command
    return None


def main() -> None:
    defaults = Sizes()
    parser = parser_of("tests.e2e.diskfull", __doc__)
    parser.add_argument("--rounds", type=int, default=1, help="how often (default 1)")
    parser.add_argument("--seed", type=int, help="draws the sizes of each round; default: those given")
    parser.add_argument("--disk", type=int, default=defaults.disk, help="MiB (default %(default)s)")
    parser.add_argument("--filler", type=int, default=defaults.filler, help="MiB deleted to make room")
    parser.add_argument("--padding", type=int, default=defaults.padding, help="bytes in a hook's body")
    parser.add_argument("--seconds", type=float, default=defaults.seconds, help="for how long it is full")
    options = parser.parse_args()
    if _INSIDE not in os.environ:
        _start_inside()
    exit_status = 0
    for number in range(options.rounds):
        sizes = Sizes(options.disk, options.filler, options.padding, options.seconds)
        if options.seed is not None:
            sizes = _drawn(Random(f"diskfull:{options.seed}:{number}"), options.seconds)
        outcome = run(sizes, options.seed or 7)
        said: dict[str, Any] = asdict(sizes) | asdict(outcome.account) | asdict(outcome)
        said |= {f"{path} while full": statuses for path, statuses in said.pop("full").items()}
        del said["account"]
        exit_status |= tell(said, good=outcome.is_good, as_json=options.json)
    sys.exit(exit_status)


def _drawn(rng: Random, seconds: float) -> Sizes:
    """So that the disk becomes full in the log, in the file, in a checkpoint, before the first one."""
    filler = rng.randint(6, 12)
    return Sizes(filler + rng.randint(1, 14), filler, rng.choice((0, 300, 2000, 8000)), seconds)


def _start_inside() -> None:
    """Become the same command again, with mounts that are nobody else's and end with it."""
    command = way_in()
    if command is None:
        sys.exit(f"skipped: {NO_DISK}")
    arguments = [*command, sys.executable, "-m", "tests.e2e.diskfull", *sys.argv[1:]]
    os.execvpe(command[0], arguments, os.environ | {_INSIDE: "1"})


if __name__ == "__main__":
    main()
