"""`python -m tests.e2e.tutorial`: paste each block of the tutorial into a shell, in a fresh clone.

The ports that the tutorial names must be free. It takes some minutes, most of them for the installation.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.manual import MANUAL

_ROOT = Path(__file__).parents[2]
_DEADLINE_S = 900.0


def blocks() -> list[str]:
    """Return the blocks of the tutorial that are pasted, in order."""
    return re.findall(r"^```sh\n(.*?)^```$", MANUAL["tutorial"], re.MULTILINE | re.DOTALL)


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
        _paste("\n".join(blocks()), clone)
        log = (clone / "tutorial/crm.log").read_text()
    verified = len(re.findall(r"^VERIFIED: task.reconciled order-471[123] ", log, re.MULTILINE))
    is_refused = log.endswith("REFUSED: not signed with our secret\n")
    print(
        f"{verified} of 3 outcomes verified; the forged event was {'refused' if is_refused else 'ACCEPTED'}"
    )
    return 0 if verified == 3 and is_refused else 1


if __name__ == "__main__":
    sys.exit(main())
