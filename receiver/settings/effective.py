"""The settings in effect, each with the place that it comes from. Secrets are masked."""

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, SecretStr

from receiver.settings.secret_files import PREFIX, SUFFIX, Variables, find_variables, read_values
from receiver.settings.settings import Settings, load_settings, settings_file

HIDDEN = "•••"

Source = Literal["environment", "secret file", "file", "default"]
Place = tuple[str, ...]

_PASSWORD = re.compile(r"(?<=//)([^/@:\s]*):[^/@\s]+(?=@)")
"""User and password in a URL."""

_PASSWORD_OPTION = re.compile(r"(?<=[?&])([^=&]*password)=[^&]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """A setting. `name`: its parts joined by dots. `place`: the variable or the file, None for defaults."""

    name: str
    value: Any
    source: Source
    place: str | None = None


def effective_settings(path: Path | None = None) -> list[EffectiveSetting]:
    """Return all settings in effect. Raises SettingsError if they are invalid."""
    return settings_in_effect(load_settings(path))


def settings_in_effect(settings: Settings) -> list[EffectiveSetting]:
    """Return these settings, each with its place in the variables and files as they are now."""
    named = type(settings).model_config.get("toml_file")
    file = Path(str(named)) if named else settings_file()
    content = tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    variables = find_variables(os.environ, Settings.model_fields)
    origin = partial(_origin, variables=variables, file=file, content=content)
    return [
        EffectiveSetting(".".join(place), value, *origin(place)) for place, value in _leaves((), settings)
    ]


def _leaves(place: Place, value: Any) -> Iterator[tuple[Place, Any]]:
    """Yield each setting with its place. A list is one setting; tables are not."""
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _leaves((*place, str(name)), part)
    else:
        yield place, _plain(value)


def _plain(value: Any) -> Any:
    """Return the value as JSON, with secrets and passwords masked."""
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    text = _PASSWORD.sub(rf"\1:{HIDDEN}", str(value))
    return _PASSWORD_OPTION.sub(rf"\1={HIDDEN}", text)


def _origin(
    place: Place, variables: Variables, file: Path, content: Mapping[str, Any]
) -> tuple[Source, str | None]:
    """Return where a setting comes from: variables, then files of the folder, then the settings file."""
    given = {**variables.plain, **read_values(variables.named, SUFFIX)}
    if name := _giving(place, given):
        file_ = variables.named.get(name)
        return ("environment", name) if file_ is None else ("secret file", str(file_))
    if name := _giving(place, read_values(variables.folder)):
        return "secret file", str(variables.folder[name])
    return ("file", str(file)) if _contains(content, place) else ("default", None)


def _giving(place: Place, values: Mapping[str, str]) -> str | None:
    """Return the variable that gives a setting: its own, or that of a table as JSON."""
    for count in range(len(place), 0, -1):
        name = PREFIX + "__".join(place[:count]).upper()
        if name in values and (count == len(place) or _contains(_json(values[name]), place[count:])):
            return name
    return None


def _contains(content: Any, place: Place) -> bool:
    for name in place:
        if not isinstance(content, Mapping) or name not in content:
            return False
        content = content[name]
    return True


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
