"""`python -m tests.e2e.purge`: persons' numbers go out of the store of a demo, and are searched everywhere.

One number is purged by the API of a running service, one by the command. Then neither is in the database
file, its log, the service's log, new exports or a new backup, and every figure is as before. The command
names files from before.
"""

import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.processes import RECEIVER, Served
from tests.e2e.report import parser_of, tell

_RELATIONS = ("tasks", "attempts", "outcomes", "hooks", "facts", "queues")
_MEASURES = ("success", "attempts", "yield", "reasons", "timing", "hours")
_HOLDERS = ("receiver.db", "backup.db", "tasks.jsonl", "facts.jsonl")
"""Files that have the numbers before the purge."""

_COUNTED = ("task", "attempt", "finding", "fact", "outcome", "message", "posting", "link", "dirty_task")


@dataclass(frozen=True)
class Result:
    """What came of it. `held_before`: file → occurrences of the numbers before the purge. `left`: the same
    after it, which must be empty. `changed`: figures that are no longer the same.
    """

    numbers: int
    tasks: int
    facts: int
    deliveries: int
    searched: list[str]
    held_before: dict[str, int]
    left: dict[str, int]
    named: list[str]
    not_named: list[str]
    changed: list[str]
    differences: str
    audit: list[str]

    @property
    def is_good(self) -> bool:
        return (
            self.tasks >= self.numbers > 0
            and all(self.held_before[name] for name in _HOLDERS)
            and not (self.left or self.not_named or self.changed)
            and self.differences.startswith("0 differences")
            and len(self.audit) >= self.numbers
            and all(re.fullmatch(r"purged-[a-z]+", name) for name in self.audit)
        )


class Store:
    """The folder of a demo: its settings, its store, and commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "receiver.toml"
        self.database = folder / "receiver.db"

    def run(self, *command: str, status: int = 0) -> str:
        done = subprocess.run(
            [*RECEIVER, *command, "--config", str(self.config)],
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
            env=os.environ | {"COLUMNS": "200"},
        )
        if done.returncode != status:
            raise AssertionError(f"{command}: {done.returncode}: {done.stderr}")
        return done.stdout

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database)) as store:
            return store.execute(query).fetchall()

    def figures(self) -> dict[str, Any]:
        """Return everything that is counted: rollups, rows of tables, and the answers of reports."""
        found: dict[str, Any] = {name: self.rows(f"SELECT count(*) FROM {name}") for name in _COUNTED}
        for name in ("rollup", "rollup_day", "task_count"):
            found[name] = sorted(map(repr, self.rows(f"SELECT * FROM {name}")))
        found["timelines"] = sorted(
            map(
                repr,
                self.rows("SELECT account, key, state, finish_result, first_at, last_at, settled FROM task"),
            )
        )
        for measure in _MEASURES:
            found[f"report {measure}"] = self.run("report", measure, "--json")
        return found

    def export(self, folder: Path) -> list[Path]:
        """Export every relation with numbers in full, and make a backup."""
        folder.mkdir()
        for relation in _RELATIONS:
            self.run("export", relation, "--numbers", "--out", str(folder / f"{relation}.jsonl"))
        self.run("db", "backup", str(folder / "backup.db"))
        return sorted(folder.iterdir())


def occurrences(paths: Sequence[Path], numbers: Sequence[str]) -> dict[str, int]:
    """Return file → how often it has the last ten digits of a number, forward or backward."""
    found = {}
    for path in paths:
        body = path.read_bytes() if path.exists() else b""
        digits = [number[-10:] for number in numbers]
        found[path.name] = sum(body.count(each.encode()) + body.count(each[::-1].encode()) for each in digits)
    return found


def chosen(store: Store) -> list[str]:
    """Return numbers of customers: one of each kind of end, of tasks with delivered outcomes."""
    query = (
        "SELECT min(b_number) FROM task WHERE b_number LIKE '+%' AND settled GROUP BY finish_result LIMIT 2"
    )
    return [number for (number,) in store.rows(query)]


def purge_by_api(store: Store, number: str, log: Path) -> dict[str, Any]:
    """Purge while a service runs, and stop it."""
    token = store.run("tokens", "create", "privacy", "--scope", "purge").split()[-1]
    # Reconciliation would go on with tasks of the demo, and so change figures.
    served = Served(store.config, environment={"RECEIVER_RECONCILE__ENABLED": "false"}, log=log)
    served.start()
    try:
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx2.post(
            f"{served.api_url}/v1/purge", json={"phone": number}, headers=headers, timeout=120
        )
        assert answer.status_code == 200, answer.text
        report: dict[str, Any] = answer.json()
        return report
    finally:
        served.stop()


def show(folder: Path, tasks: int) -> Result:
    store, log = Store(folder), folder / "serve.log"
    demo = [*RECEIVER, "demo", "--folder", str(folder), "--tasks", str(tasks)]
    subprocess.run(demo, check=True, stdout=subprocess.DEVNULL, timeout=600)
    first, second = chosen(store)
    numbers = [first, second]
    old = store.export(folder / "before")
    before = store.figures()
    held = occurrences([store.database, *old], numbers)
    by_api = purge_by_api(store, first, log)
    backups = ("--backups", str(folder / "before"), "--json")
    by_command = json.loads(store.run("purge", "--phone", second, *backups))
    again = json.loads(store.run("purge", "--phone", first, *backups))
    new = store.export(folder / "after")
    files = [store.database, Path(f"{store.database}-wal"), Path(f"{store.database}-shm"), log, *new]
    after = store.figures()
    named = {Path(name).name for report in (by_command, again) for name in report["files"]}
    records = json.loads(store.run("audit", "--action", "number.purge", "--json"))["records"]
    return Result(
        numbers=len(numbers),
        tasks=by_api["tasks"] + by_command["tasks"] + again["tasks"],
        facts=by_api["facts"] + by_command["facts"],
        deliveries=by_api["deliveries"] + by_command["deliveries"],
        searched=[path.name for path in files],
        held_before=held,
        left={name: number for name, number in occurrences(files, numbers).items() if number},
        named=sorted(named),
        not_named=[
            path.name for path in old if occurrences([path], numbers)[path.name] and path.name not in named
        ],
        changed=[name for name in before if before[name] != after[name]],
        differences=store.run("rebuild", "--verify").strip(),
        audit=[record["object"] for record in records],
    )


def main() -> int:
    parser = parser_of("tests.e2e.purge", __doc__)
    parser.add_argument("--tasks", type=int, default=120, help="tasks of the demo")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = show(Path(folder) / "demo", options.tasks)
    return tell(asdict(result), good=result.is_good, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
