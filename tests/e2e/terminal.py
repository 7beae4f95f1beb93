"""Output of ten commands in a terminal of 80 columns, as text and as SVG.

    python -m tests.e2e.terminal --config FILE --folder DIR

FILE: settings of a store with data, such as that of `receiver demo --folder`. Exits 1 if a line is wider than
80 columns, or if a word or id of the whole output is broken.
"""

import argparse
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

COMMANDS = (
    "tasks list --limit 8",
    "tasks show {account} {task}",
    "lost-hooks --limit 8",
    "drift --limit 8",
    "queues list",
    "set-aside",
    "subscriptions list",
    "deliveries list --limit 6",
    "report success --by queue",
    "report reasons",
    "status",
    "check",
)
WIDTH = 80

_COLOR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_WORD = re.compile(r"[^\s│─╭╮╰╯]{4,}")


def in_terminal(words: Sequence[str], config: Path) -> str:
    """Return what the command writes to a terminal of 80 columns."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 200, WIDTH, 0, 0))
    environment = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
    environment |= {"RECEIVER_CONFIG": str(config), "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "receiver", *words]
    with subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=environment) as run:
        os.close(side)
        written = b""
        while part := _read(main):
            written += part
        run.wait(timeout=60)
    os.close(main)
    return written.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    """Return what was written; nothing at the end, which Linux reports as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def in_file(words: Sequence[str], config: Path) -> str:
    """Return what the command writes to a file: nothing of it is cut or wrapped."""
    environment = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
    environment |= {"RECEIVER_CONFIG": str(config)}
    command = [sys.executable, "-m", "receiver", *words]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    return run.stdout


def problems(shown: str, whole: str) -> list[str]:
    """Return what is wrong with the output of a terminal, compared with that of a file."""
    plain = _COLOR.sub("", shown)
    wide = [f"wider than {WIDTH}: {line}" for line in plain.splitlines() if _is_wide(line)]
    known, there = ({word.strip(".,;:") for word in _WORD.findall(text)} for text in (whole, plain))
    broken = [
        f"broken: {word}" for word in sorted(there - known) if any(long.startswith(word) for long in known)
    ]
    return wide + broken


def _is_wide(line: str) -> bool:
    """Return whether a line is too wide. A command to be copied may be: the terminal wraps it."""
    return Text(line).cell_len > WIDTH and not line.startswith("More rows: ")


def main() -> int:
    """Print and save the outputs. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.terminal", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="settings file of a store with data")
    parser.add_argument("--folder", type=Path, required=True, help="where the outputs are saved")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    rows = in_file(["tasks", "list", "--limit", "1", "--csv"], given.config).splitlines()
    account, task = rows[-1].split(",")[:2]
    status = 0
    for number, form in enumerate(COMMANDS, 1):
        words = form.format(account=account, task=task).split()
        shown = in_terminal(words, given.config)
        found = problems(shown, in_file(words, given.config))
        _save(given.folder / f"{number:02}-{'-'.join(words[:2])}", words, shown)
        print(f"$ receiver {' '.join(words)}\n{_COLOR.sub('', shown)}")
        for problem in found:
            print(f"    {problem}")
            status = 1
    return status


def _save(path: Path, words: Sequence[str], shown: str) -> None:
    path.with_suffix(".txt").write_text(_COLOR.sub("", shown))
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    console.print(Text.from_ansi(shown))
    console.save_svg(str(path.with_suffix(".svg")), title=f"receiver {' '.join(words)}")


if __name__ == "__main__":
    sys.exit(main())
