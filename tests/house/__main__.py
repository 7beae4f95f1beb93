"""`python -m tests.house`: print the figures of the package's build, or the functions of one walk."""

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from receiver.cli.output import STDOUT, print_table
from tests.house import source
from tests.house.trace import Walk
from tests.house.walks import WAYS, walk_way

_GOALS = {"hook": (6, 20), "delivery": (16, 55), "sweep": (9, 35), "tasks": (7, 15), "report": (8, 25)}
"""Walk → files and functions at most."""

_AT_START = {
    "hook": (19, 69),
    "delivery": (59, 272),
    "sweep": (44, 208),
    "tasks": (15, 32),
    "report": (29, 114),
}
"""Walk → files and functions that this command counted in commit 80e53c4 of 2026-11-30."""

_OPTION = "max_wait_s"
"""An option of subscriptions; the files that name it are those that one more option touches."""


def source_figures(option: str) -> dict[str, Any]:
    """Return all that is read from the source."""
    modules = source.read_modules()
    lines = sum(module.lines for module in modules)
    return {
        "lines": lines,
        "lines_at_start": source.START_LINES,
        "repeated_classes": source.repeated_classes(modules),
        "top_modules": source.top_modules(modules),
        "long_files": source.long_files(modules),
        "short_files": source.short_files(modules),
        "large_functions": source.large_functions(modules),
        "repeated_modules": source.repeated_modules(modules),
        "files_of_an_option": source.files_naming(modules, option),
    }


def walk_all() -> dict[str, Walk]:
    """Return the walks of all ways, by name."""
    return {name: walk_way(name) for name in WAYS}


def walk_figures(walk: Walk) -> dict[str, Any]:
    rest = walk.without_domain()
    return {
        "files": len(walk.files()),
        "functions": len(walk.functions),
        "files_without_domain": len(rest.files()),
        "functions_without_domain": len(rest.functions),
    }


def _print_figures(found: Mapping[str, Any], walks: Mapping[str, Walk], option: str) -> None:
    change = found["lines"] - found["lines_at_start"]
    rows: list[Sequence[Any]] = [
        ("lines of receiver/", source.START_LINES, f"{found['lines']} ({change:+})", "-2500"),
        ("class names that stand twice or more", 25, len(found["repeated_classes"]), 0),
        ("modules directly in receiver/", 3, len(found["top_modules"]), "≤ 5"),
        (f"files over {source.MAX_FILE_LINES} lines", 1, len(found["long_files"]), 0),
        (f"files under {source.MIN_FILE_LINES} lines", 9, len(found["short_files"]), 0),
        ("functions that are too large", 5, len(found["large_functions"]), 0),
        ("module names that stand in several rooms", 26, len(found["repeated_modules"]), "few"),
        (f"files that name the option {option}", 9, len(found["files_of_an_option"]), "≤ 3"),
    ]
    for name, walk in walks.items():
        start, goal = ("{} · {}".format(*figures[name]) for figures in (_AT_START, _GOALS))
        now = "{files} · {functions} ({files_without_domain} · {functions_without_domain})"
        rows.append((WAYS[name].title, start, now.format(**walk_figures(walk)), f"≤ {goal}"))
    print_table("Figures (without domain/)", ("figure", "start", "now", "goal"), rows)
    for name in ("repeated_classes", "long_files", "short_files", "large_functions", "repeated_modules"):
        _print_list(name.replace("_", " "), found[name])
    _print_list(f"files that name {option}", dict.fromkeys(found["files_of_an_option"], ""))


def _print_list(title: str, found: Mapping[str, Any]) -> None:
    STDOUT.print(f"\n{title}:", highlight=False)
    for name, value in found.items():
        text = ", ".join(value) if isinstance(value, list) else value
        STDOUT.print(f"  {name}  {text}", highlight=False, soft_wrap=True)


def _print_walk(walk: Walk) -> None:
    for number, function in enumerate(walk.functions, 1):
        STDOUT.print(f"{number:3}  {function.file}: {function.name}", highlight=False, soft_wrap=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.house", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--walk", choices=list(WAYS), help="list the functions of one walk")
    parser.add_argument("--option", default=_OPTION, help="an option of subscriptions to look for")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if asked.walk:
        walk = walk_way(asked.walk)
        if asked.json:
            print(json.dumps([function._asdict() for function in walk.functions], indent=2))
        else:
            _print_walk(walk)
        return
    found, walks = source_figures(asked.option), walk_all()
    if asked.json:
        print(json.dumps(found | {"walks": {n: walk_figures(w) for n, w in walks.items()}}, indent=2))
    else:
        _print_figures(found, walks, asked.option)


if __name__ == "__main__":
    main()
