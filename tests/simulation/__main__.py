"""Long runs, until a world is wrong: `python -m tests.simulation --seeds 0-200 --faults heavy`."""

import argparse
import logging
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from receiver.emulator.command import with_faults
from receiver.emulator.dialects import DIALECTS
from receiver.emulator.faults import PROFILES
from receiver.emulator.quirks import QUIRKS
from tests.simulation.world import Scenario, simulate


def main() -> int:
    """0 if every world was as it should be."""
    options = _options()
    first, _, last = options.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    began, tasks, hooks = time.monotonic(), 0, 0
    for count, seed in enumerate(seeds, start=1):
        scenario = _scenario(seed, options)
        with tempfile.TemporaryDirectory() as folder:
            ended = simulate(scenario, Path(folder) / "receiver.db")
        if ended.problems:
            print(f"\nseed {seed} is wrong: {scenario}", *ended.problems, sep="\n  ")
            return 1
        tasks, hooks = tasks + len(ended.rows), hooks + len(ended.kept)
        print(f"\r{count} of {len(seeds)} worlds", end="", flush=True, file=sys.stderr)
    seconds = time.monotonic() - began
    print(
        f"\n{options.faults}: {len(seeds)} worlds, {tasks} tasks, {hooks} hooks: all agree ({seconds:.0f} s)"
    )
    return 0


def _scenario(seed: int, options: argparse.Namespace) -> Scenario:
    drawn = Scenario.drawn(seed, with_faults(PROFILES[options.faults], options.fault))
    changes: dict[str, Any] = {"quirks": frozenset(options.quirk)}
    if options.dialect:
        changes["dialect"] = options.dialect
    return replace(drawn, **changes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", default="0-99", help="one seed, or the first and the last of a range")
    parser.add_argument("--faults", choices=PROFILES, default="heavy")
    parser.add_argument("--fault", action="append", default=[], help="NAME=PROBABILITY, beside --faults")
    parser.add_argument("--quirk", action="append", default=[], choices=QUIRKS, help="of every account")
    parser.add_argument("--dialect", choices=("mixed", *DIALECTS), help="instead of what the seed draws")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
