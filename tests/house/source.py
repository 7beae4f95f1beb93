"""Figures that are read from the source: lines, sizes of files and functions, names."""

import ast
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "receiver"

START_LINES = 36_702
"""Lines of the package in commit 7e40215 of 2026-11-30, the last one before this work began."""

MAX_FILE_LINES = 300
MIN_FILE_LINES = 20
MAX_FUNCTION_LINES = 40
MAX_PARAMETERS = 5

SHARED_NAMES = {"endpoints", "params", "queries", "schemas", "tables"}
"""Names of modules that may stand once in each room."""

_COMMANDS = ("cli/", "emulator/command.py")
"""Where functions are commands, whose options are their parameters."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file of the package. `path` is relative to the package."""

    path: str
    text: str

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @property
    def name(self) -> str:
        return Path(self.path).stem

    @property
    def is_special(self) -> bool:
        """Whether Python gives the file its name."""
        return self.name in ("__init__", "__main__")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def classes(self) -> Iterator[str]:
        """Yield the names of its classes, nested ones too."""
        return (node.name for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))

    def functions(self) -> Iterator[_Function]:
        """Yield its functions and methods, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, _Function))


def read_modules() -> list[Module]:
    """Return the package's modules that git tracks, by path."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=PACKAGE, capture_output=True, text=True, check=True
    )
    paths = [path for path in listed.stdout.splitlines() if (PACKAGE / path).is_file()]
    return [Module(path, (PACKAGE / path).read_text(encoding="utf-8")) for path in sorted(paths)]


def top_modules(modules: Sequence[Module]) -> list[str]:
    """Return the modules directly in the package."""
    return [module.path for module in modules if "/" not in module.path and not module.is_special]


def repeated_classes(modules: Sequence[Module]) -> dict[str, list[str]]:
    """Return class names that stand more than once, with their modules. The emulator does not count."""
    found = defaultdict(list)
    for module in modules:
        if not module.path.startswith("emulator/"):
            for name in module.classes():
                found[name].append(module.path)
    return {name: paths for name, paths in sorted(found.items()) if len(paths) > 1}


def long_files(modules: Sequence[Module]) -> dict[str, int]:
    """Return files above the limit, with their lines."""
    return {module.path: module.lines for module in modules if module.lines > MAX_FILE_LINES}


def short_files(modules: Sequence[Module]) -> dict[str, int]:
    """Return files that could live with a neighbor, with their lines."""
    return {
        module.path: module.lines
        for module in modules
        if module.lines < MIN_FILE_LINES and not module.is_special and "/versions/" not in module.path
    }


def large_functions(modules: Sequence[Module]) -> dict[str, str]:
    """Return functions above a limit, as `file:function`, with the excess.

    The parameters of commands are their options: neither they nor their lines count.
    """
    found = {}
    for module in modules:
        has_commands = module.path.startswith(_COMMANDS)
        for function in module.functions():
            parameters = _parameters(function)
            lines = _lines(function, function.body[0].lineno if has_commands else function.lineno)
            problems = [f"{lines} lines"] if lines > MAX_FUNCTION_LINES else []
            if parameters > MAX_PARAMETERS and not has_commands:
                problems.append(f"{parameters} parameters")
            if problems:
                found[f"{module.path}:{function.name}"] = ", ".join(problems)
    return found


def repeated_modules(modules: Sequence[Module]) -> dict[str, list[str]]:
    """Return names of modules that stand in several rooms, with their paths."""
    found = defaultdict(list)
    for module in modules:
        if not module.is_special and module.name not in SHARED_NAMES:
            found[module.name].append(module.path)
    return {name: paths for name, paths in sorted(found.items()) if len(paths) > 1}


def files_naming(modules: Sequence[Module], word: str) -> list[str]:
    """Return the files that name a field or option. Migrations do not count."""
    return [
        module.path for module in modules if word in module.text and "/migrations/" not in f"/{module.path}"
    ]


def _lines(function: _Function, first: int) -> int:
    return (function.end_lineno or first) - first + 1


def _parameters(function: _Function) -> int:
    spec = function.args
    names = [argument.arg for argument in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])
