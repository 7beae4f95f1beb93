"""How the shows say what came of them: lines for people, JSON for machines, an exit status for both."""

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any


def parser_of(module: str, description: str | None) -> argparse.ArgumentParser:
    """A parser of the command `python -m MODULE`, which has --json."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--json", action="store_true", help="JSON instead of lines for people")
    return parser


def tell(result: Mapping[str, Any], *, good: bool, as_json: bool) -> int:
    """Print it; the exit status: 0 where it is good, else 1."""
    if as_json:
        sys.stdout.write(json.dumps({"good": good, **result}, indent=2) + "\n")
        return 0 if good else 1
    width = max(map(len, result), default=0) + 2
    for name, value in result.items():
        sys.stdout.write(f"{name.replace('_', ' '):<{width}}{_plain(value)}\n")
    sys.stdout.write("good\n" if good else "BAD\n")
    return 0 if good else 1


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {each}" for key, each in sorted(value.items())) or "none"
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value)) or "none"
    return str(value)
