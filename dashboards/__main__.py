"""`python -m dashboards` writes the boards beside this file; `--check` only says which would change."""

import argparse
import sys
from pathlib import Path

from dashboards import deliveries, intake, overview, reconcile, runtime, tasks
from dashboards.board import Board

FOLDER = Path(__file__).parent

BOARDS: tuple[Board, ...] = tuple(
    each.BOARD for each in (overview, intake, tasks, reconcile, deliveries, runtime)
)


def stale(folder: Path) -> list[Path]:
    """The files that are missing or not as they would be written."""
    files = {folder / f"{board.name}.json": board.text() for board in BOARDS}
    return [file for file, text in files.items() if not file.exists() or file.read_text() != text]


def main(arguments: list[str], folder: Path = FOLDER) -> int:
    """The exit code: 1 where something differs."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a file differs")
    if not parser.parse_args(arguments).check:
        for board in BOARDS:
            (folder / f"{board.name}.json").write_text(board.text())
        return 0
    differing = stale(folder)
    for file in differing:
        print(f"{file.name} is not what `python -m dashboards` writes")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
