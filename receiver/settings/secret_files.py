"""Settings in files: a variable names a file (`RECEIVER_STORE_FILE`), or a folder (`RECEIVER_SECRETS`) has
files named like variables, as Docker and Kubernetes provide secrets.
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
    """Settings by the names of their variables, in upper case. `plain`: values; `named`: files that variables
    name; `folder`: files of the folder.
    """

    plain: Mapping[str, str]
    named: Mapping[str, Path]
    folder: Mapping[str, Path]

    def file_of(self, variable: str) -> Path | None:
        """Return the file with the value of a variable, or of the table or list that contains it."""
        parts = variable.split("__")
        names = ["__".join(parts[:count]) for count in range(len(parts), 0, -1)]
        files = {**self.folder, **self.named}
        return next((files[name] for name in names if name in files and name not in self.plain), None)

    def files_of(self, field: str) -> list[Path]:
        """Return the files with values of a setting or of its parts."""
        return [
            path
            for name, path in {**self.folder, **self.named}.items()
            if name.split("__")[0] == PREFIX + field.upper()
        ]


def find_variables(environment: Mapping[str, str], fields: Collection[str]) -> Variables:
    """Find the variables of settings. Raises SettingsError if a setting has both a value and a file."""
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
    """Read the values in the files, without trailing line breaks. `suffix`: of the variables' names.

    Raises SettingsError, which names the file.
    """
    return {name: _read(name + suffix, path) for name, path in files.items()}


def setting_of(variable: str) -> str:
    """Return the first part of the setting's name, in upper case."""
    return variable.upper().removeprefix(PREFIX).removesuffix(SUFFIX).split("__")[0]


def _names_file(variable: str, fields: Collection[str]) -> bool:
    return variable.endswith(SUFFIX) and setting_of(variable).lower() in fields


def _in_folder(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files that are named like variables. Kubernetes' own begin with a dot."""
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
        raise SettingsError(f"{variable}: {path} is not UTF-8 text") from None
    if not text:
        raise SettingsError(f"{variable}: {path} is empty: write the value into it")
    return text
