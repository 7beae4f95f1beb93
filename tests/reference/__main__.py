"""`python -m tests.reference` writes the generated parts of the manual; `--check` only names what would
change.

A generated part stands in a page of `receiver/docs` between `<!-- generated: NAME -->` and `<!-- end of
generated -->`; everything else in a page is written by hand.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.reference import blocks
from tests.reference.api import api
from tests.reference.commands import commands

FOLDER = Path(__file__).parents[2] / "receiver/docs"

GENERATORS: Mapping[str, Callable[[], str]] = {
    "settings": blocks.settings,
    "metrics": blocks.metrics,
    "labels": blocks.labels,
    "commands": commands,
    "api": api,
    "events": blocks.events,
    "columns": blocks.columns,
    "emulator": blocks.emulator,
    "layers": blocks.layers,
}
_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end of generated -->)", re.DOTALL)


def pages(folder: Path = FOLDER) -> Iterator[tuple[Path, str]]:
    """Yield each page that has a generated part, with the text that it should have."""
    for file in sorted(folder.rglob("*.md")):
        text = file.read_text(encoding="utf-8")
        if _BLOCK.search(text):
            yield file, _BLOCK.sub(lambda found: f"{found[1]}\n{GENERATORS[found[2]]()}\n{found[3]}", text)


def main(arguments: list[str], folder: Path = FOLDER) -> int:
    """Return the exit code: with --check 1 if a page is not current."""
    parser = argparse.ArgumentParser(prog="python -m tests.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a page differs")
    is_check = parser.parse_args(arguments).check
    stale = [(file, text) for file, text in pages(folder) if file.read_text(encoding="utf-8") != text]
    for file, text in stale:
        if is_check:
            print(f"{file.relative_to(folder)} is not current: run `python -m tests.reference`")
        else:
            file.write_text(text, encoding="utf-8")
    return 1 if stale and is_check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
