"""`python -m tests.e2e.kill`: kill −9 the receiver in the middle, twice, and see that nothing is missing."""

import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from receiver.demo.compare import TruthComparison, compare
from receiver.demo.plan import plan_tasks
from receiver.ledger.tables import DELIVERY
from receiver.storage.engine import Store
from tests.e2e.processes import Town
from tests.e2e.report import parser_of, tell
from tests.e2e.tasks import PATIENCE_S, add_tasks, known_tasks, wait_for_the_end
from tests.e2e.unfinished import unfinished


@dataclass(frozen=True)
class Outcome:
    """What came of it. `missing`: hook copies that were acknowledged and are not in the ledger. `unfinished`:
    hooks and tasks that were not read or folded when the receiver had stopped.
    """

    comparison: TruthComparison
    tasks: int
    acknowledged: int
    unacknowledged: int
    missing: tuple[str, ...]
    unfinished: int


def run(town: Town, tasks: int, kills: int) -> Outcome:
    """Create the tasks, kill the receiver `kills` times while they run, wait for the end, compare."""
    town.start_emulator()
    town.start_receiver()
    add_tasks(town, plan_tasks(tasks, town.seed))
    for number in range(1, kills + 1):
        _wait_for_hooks(town, tasks * number // 2)
        town.kill_receiver()
        time.sleep(0.3)
        town.start_receiver()
    wait_for_the_end(town, tasks)
    truth, acknowledged = town.ask_emulator("truth"), set(town.ask_emulator("deliveries"))
    town.stop()
    rows, stored, left = _kept(town.store)
    unacknowledged = sum(1 for hook in truth["hooks"] if hook["fate"] == "failed")
    verdict = compare(truth, rows, {"10001": "main"})
    missing = tuple(sorted(acknowledged - stored))
    return Outcome(verdict, len(rows), len(acknowledged), unacknowledged, missing, left)


def _wait_for_hooks(town: Town, count: int) -> None:
    """Wait until so many hooks were sent, whether they were acknowledged or not: while the receiver starts
    anew, they are not.
    """
    deadline = time.monotonic() + PATIENCE_S
    while len(town.ask_emulator("truth")["hooks"]) < count and time.monotonic() < deadline:
        time.sleep(0.2)


def _kept(target: str) -> tuple[dict[tuple[str, str], Mapping[str, Any]], set[str], int]:
    """The tasks as the receiver knows them, the ids of the hook copies in the ledger, and what is not
    finished.
    """
    with closing(Store(target)) as store:
        with store.snapshot() as connection:
            headers = [dict(each) for each in connection.execute(select(DELIVERY.c.headers)).scalars()]
            left = unfinished(connection)
        return (
            known_tasks(store),
            {copy for each in headers for copy in each["x-emulator-hook"].split(",")},
            left,
        )


def main() -> int:
    parser = parser_of("tests.e2e.kill", __doc__)
    parser.add_argument("--tasks", type=int, default=300)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        town = Town(Path(folder), seed=options.seed)
        try:
            outcome = run(town, options.tasks, options.kills)
        finally:
            town.stop()
    result = {
        "tasks": outcome.tasks,
        "killed": options.kills,
        "hooks acknowledged": outcome.acknowledged,
        "hooks not acknowledged": outcome.unacknowledged,
        "acknowledged and missing": len(outcome.missing),
        "not read or folded": outcome.unfinished,
        "agree": outcome.comparison.agree,
        "disagree": outcome.comparison.disagree,
        "disagreements": [str(each) for each in outcome.comparison.disagreements[:10]],
    }
    good = not outcome.missing and not outcome.unfinished and not outcome.comparison.disagree
    return tell(result, good=good, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
