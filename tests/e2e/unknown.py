"""Every command with an unknown account, queue, subscription, period or zone: exit code and first line.

    python -m tests.e2e.unknown [--config FILE]

Without settings it takes an empty store of its own. Exits 1 if a command answers, or if its error does not
say what is unknown.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.cli.commands import leaves

UNKNOWN: Mapping[str, tuple[str, str]] = {
    "account": ("nowhere", "there is no account 'nowhere'"),
    "queue": ("nowhere", "there is no queue 'nowhere'"),
    "than_queue": ("nowhere", "there is no queue 'nowhere'"),
    "subscription": ("nowhere", "there is no subscription 'nowhere'"),
    "period": ("last-weak", "there is no period 'last-weak'.* did you mean 'last-week'"),
    "since": ("tomorow", "not a moment: 'tomorow'"),
    "until": ("tomorow", "not a moment: 'tomorow'"),
    "last": ("2 moons", "not a length of time: '2 moons'"),
    "than_period": ("last-weak", "there is no period 'last-weak'.* did you mean 'last-week'"),
    "than_since": ("tomorow", "a day such as 2026-03-01"),
    "than_until": ("tomorow", "a day such as 2026-03-01"),
    "problem": ("brokn JSON", "there is no problem 'brokn JSON'; did you mean 'broken JSON'|is not one of"),
    "action": ("numbers.fnd", "there is no action 'numbers.fnd'; did you mean 'numbers.find'"),
    "zone": ("Europe/Moskow", "no such time zone: 'Europe/Moskow'"),
}
"""Option or argument → an unknown value, and the pattern of the error."""

ELSEWHERE = {
    ("emulate", "account"): "it makes accounts of its own",
    ("capture", "last"): "a number of deliveries",
    ("listen", "subscription"): "the running receiver answers",
    ("tasks add", "queue"): "the scheduler answers, which knows queues that are new",
}
"""Options of these names that mean something else, or are checked by another program."""

NEEDED = {"phone": "+79161234567", "relation": "tasks", "account": "main", "queue": "17", "seq": "1"}
NEEDED |= {"task": "r1", "delivery": "d1", "forward": "http://127.0.0.1:9/", "measure": "success"}
"""Other arguments and required options → a value."""


ALSO = {
    ("subscriptions change", "subscription"): ["--set", "name=other"],
    ("subscriptions retry", "subscription"): ["--dead"],
    ("subscriptions replay", "subscription"): ["--dead"],
}
"""Words without which a command has nothing to do."""


class UnknownCall(NamedTuple):
    """A command line with one unknown value. `pattern`: of the error."""

    command: str
    option: str
    words: list[str]
    pattern: str


def unknown_calls(file: Path) -> Iterator[UnknownCall]:
    """Yield a call for each option of each command that can be unknown. `file`: a file with tasks."""
    for name, command in leaves():
        is_of_subscription = name.startswith("subscriptions ") and name not in ("subscriptions add",)
        for parameter in command.params:
            option = "subscription" if is_of_subscription and parameter.name == "name" else parameter.name
            if option not in UNKNOWN or (name, option) in ELSEWHERE:
                continue
            words = name.split()
            for other in command.params:
                is_wanted = other is parameter
                if not is_wanted and not _is_needed(other, name, option):
                    continue
                value = UNKNOWN[option][0] if is_wanted else NEEDED.get(other.name, "nobody")
                value = str(file) if other.name == "file" else value
                words += [value] if other.param_type_name == "argument" else [other.opts[0], value]
            words += ALSO.get((name, option), [])
            yield UnknownCall(name, option, words, UNKNOWN[option][1])


def _is_needed(other: object, name: str, option: str) -> bool:
    is_measure = name == "report" and option.startswith("than_") and getattr(other, "name", "") == "measure"
    return bool(getattr(other, "required", False)) or is_measure


def problem_of(call: UnknownCall, status: int, out: str, err: str) -> str | None:
    """Return what is wrong with the answer of a command; None if it names what is unknown."""
    if (status, out) != (2, ""):
        return "answers"
    return None if re.search(call.pattern, " ".join(err.split())) else "does not say what is unknown"


_SETTINGS = """store = "{folder}/receiver.db"
hook_keys = [{{ name = "k1", secret = "{key}" }}]
[accounts.main]
base_url = "http://127.0.0.1:9/api/ver1.0"
oauth_client_id = "app"
oauth_client_secret = "a secret of an application"
"""


def main() -> int:
    """Print the table. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.unknown", description=__doc__)
    parser.add_argument("--config", type=Path, help="settings file of a receiver")
    given = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "receiver.toml").write_text(_SETTINGS.format(folder=folder, key="k" * 40))
        (folder / "tasks.csv").write_text("ref,a_number,b_number\n")
        config = (given.config or folder / "receiver.toml").resolve()
        return max([_show(call, config) for call in unknown_calls(folder / "tasks.csv")])


def _show(call: UnknownCall, config: Path) -> int:
    environment = {**os.environ, "RECEIVER_CONFIG": str(config), "COLUMNS": "500"}
    run = subprocess.run(
        [sys.executable, "-m", "receiver", *call.words],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    problem = problem_of(call, run.returncode, run.stdout, run.stderr)
    line = (run.stderr or run.stdout or "(nothing)").splitlines()[0]
    print(f"{'' if problem is None else problem.upper() + ': '}{' '.join(call.words)}")
    print(f"    {run.returncode}  {line[:200]}")
    return int(problem is not None)


if __name__ == "__main__":
    sys.exit(main())
