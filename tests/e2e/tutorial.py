"""`python -m tests.e2e.tutorial`: paste each block of the tutorial into a shell, in a fresh clone.

It prints how many commands are typed until the CRM has its first verified event: those of the blocks before
the one that creates tasks. The ports that the tutorial names must be free. It takes some minutes, most of
them for the installation.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from itertools import takewhile
from pathlib import Path

from tests.manual import MANUAL

_ROOT = Path(__file__).parents[2]
_DEADLINE_S = 900.0
_READING_S = 5
"""Seconds between two blocks: a person reads what is printed."""

MOST_COMMANDS = 8
_HEREDOC = re.compile(r"<<'?(\w+)'?\n.*?^\1$", re.MULTILINE | re.DOTALL)
_SEPARATOR = re.compile(r"&&|\|\||;|\n|(?<![>&])&(?![>&])")


def blocks() -> list[str]:
    """Return the blocks of the tutorial that are pasted, in order."""
    return re.findall(r"^```sh\n(.*?)^```$", MANUAL["tutorial"], re.MULTILINE | re.DOTALL)


def commands_to_the_first_event() -> list[str]:
    """Return the commands of the blocks before the one that creates tasks. A pipe is one command."""
    typed = "\n".join(takewhile(lambda block: "tasks.csv" not in block, blocks()))
    parts = _SEPARATOR.split(_HEREDOC.sub("", typed).replace("2>&1", ""))
    return [part.strip() for part in parts if part.strip()]


def _paste(script: str, folder: Path) -> None:
    """Run a script in a process group of its own, and end what is left of it at the deadline."""
    shell = subprocess.Popen(
        ["bash", "-s"], stdin=subprocess.PIPE, text=True, cwd=folder, start_new_session=True
    )
    try:
        shell.communicate(script, timeout=_DEADLINE_S)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGTERM)
        raise


def main() -> int:
    """Return the exit code: 1 if an event was not verified, or a forged one was not refused."""
    argparse.ArgumentParser(prog="python -m tests.e2e.tutorial", description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "receiver"
        subprocess.run(["git", "clone", "--quiet", _ROOT, clone], check=True)
        pause = f"sleep {_READING_S}\n"
        _paste("set -m\n" + pause.join(blocks()), clone)  # job numbers, as in a terminal
        log = (clone / "crm.log").read_text()
    verified = len(re.findall(r"^VERIFIED: task.reconciled order-471[123] ", log, re.MULTILINE))
    is_refused = "REFUSED: not signed with our secret\n" in log
    typed = commands_to_the_first_event()
    print(
        f"{verified} of 3 outcomes verified; the forged event was {'refused' if is_refused else 'ACCEPTED'}"
    )
    print(f"{len(typed)} commands to the first verified event, {MOST_COMMANDS} at most:")
    print("\n".join(f"  {command}" for command in typed))
    return 0 if verified == 3 and is_refused and len(typed) <= MOST_COMMANDS else 1


if __name__ == "__main__":
    sys.exit(main())
