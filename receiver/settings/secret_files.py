"""Settings that stand in files: one that a variable names (`RECEIVER_STORE_FILE`), or one of a folder
(`RECEIVER_SECRETS`) whose files are called like variables, as Docker and Kubernetes hand out secrets.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from receiver.errors import SettingsError

PREFIX = "RECEIVER_"
FOLDER = PREFIX + "SECRETS"
SUFFIX = "_FILE"


@dataclass(frozen=True, slots=True)
class Variables:
    """Settings by the names of their variables, in upper case. `plain`: the values themselves; `named`: files
    that variables name; `folder`: files of the folder.
    """

    plain: Mapping[str, str]
    named: Mapping[str, Path]
    folder: Mapping[str, Path]

    def file_of(self, variable: str) -> Path | None:
        """The file that this variable's value came from, or that of the whole table or list it is in."""
        parts = variable.split("__")
        names = ["__".join(parts[:count]) for count in range(len(parts), 0, -1)]
        files = {**self.folder, **self.named}
        return next((files[name] for name in names if name in files and name not in self.plain), None)

    def about(self, field: str) -> list[Path]:
        """The files about a setting, or about parts of it."""
        return [
            path
            for name, path in {**self.folder, **self.named}.items()
            if name.split("__")[0] == PREFIX + field.upper()
        ]


def find_variables(environment: Mapping[str, str], fields: Collection[str]) -> Variables:
    """What the environment says of these settings. Raises SettingsError where it says two things."""
    given = {name.upper(): value for name, value in environment.items() if name.upper().startswith(PREFIX)}
    named = {
        name.removesuffix(SUFFIX): Path(value) for name, value in given.items() if _names_file(name, fields)
    }
    plain = {name: value for name, value in given.items() if not _names_file(name, fields)}
    for name in sorted(named.keys() & plain.keys()):
        raise SettingsError(f"{name} and {name}{SUFFIX} are both set: unset one of them")
    folder = dict(_in_folder(Path(given[FOLDER]))) if given.get(FOLDER) else {}
    return Variables(plain, named, folder)


def read_values(files: Mapping[str, Path], suffix: str = "") -> dict[str, str]:
    """The values in these files, without the line ends behind them. `suffix`: of their variables.
    Raises SettingsError, which names the file.
    """
    return {name: _read(name + suffix, path) for name, path in files.items()}


def setting_of(variable: str) -> str:
    """The first part of what a variable sets, in upper case."""
    return variable.upper().removeprefix(PREFIX).removesuffix(SUFFIX).split("__")[0]


def _names_file(variable: str, fields: Collection[str]) -> bool:
    return variable.endswith(SUFFIX) and setting_of(variable).lower() in fields


def _in_folder(folder: Path) -> Iterator[tuple[str, Path]]:
    """Its files that are called like variables. What begins with a dot is Kubernetes' own."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise SettingsError(f"{FOLDER}: cannot read the folder {folder}: {error.strerror}") from None
    for path in paths:
        if path.name.upper().startswith(PREFIX) and path.is_file():
            yield path.name.upper(), path


def _read(variable: str, path: Path) -> str:
    try:
        text = path.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{variable}: cannot read {path}: {os.strerror(error.errno or 0)}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{variable}: {path} is no text in UTF-8") from None
    if not text:
        raise SettingsError(f"{variable}: {path} is empty: write the value into it")
    return text
