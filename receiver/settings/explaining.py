"""What is wrong with the settings, in a text that names each setting and the fix."""

from itertools import takewhile
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from receiver.domain.suggestions import unknown_name
from receiver.domain.validation import validation_text
from receiver.settings.secret_files import PREFIX, Variables


def explain(error: ValidationError, path: Path, found: Variables, model: type[BaseModel]) -> str:
    """Return the text of an error that names each invalid setting, its problem and where to set it."""
    lines = [f"settings ({path if path.is_file() else 'no file'}, {PREFIX}* variables) are invalid:"]
    for problem in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in problem["loc"])
        variable = _variable(problem["loc"])
        file = found.file_of(variable.partition(" ")[0])
        fix = f"it was read from {file}" if file else f"set it in the file, or {variable}"
        lines.append(f"  {name}: {_problem_text(problem, model)} ({fix})")
    lines.append("`receiver config example` prints a file that explains every setting.")
    return "\n".join(lines)


def _problem_text(problem: Any, model: type[BaseModel]) -> str:
    """Return the text of a problem; for an unknown setting with the settings of its table."""
    if problem["type"] != "extra_forbidden":
        return validation_text(problem)
    *outer, name = problem["loc"]
    fields: Any = model.model_fields
    for part in outer:
        if isinstance(part, str) and part in fields:
            kinds = (fields[part].annotation, *get_args(fields[part].annotation))
            fields = next((kind.model_fields for kind in kinds if hasattr(kind, "model_fields")), fields)
    return unknown_name("setting", str(name)[:60], fields)


def _variable(place: tuple[int | str, ...]) -> str:
    """Return the variable of the setting at this place; a list is one variable, as JSON."""
    names = [str(part).upper() for part in takewhile(lambda part: isinstance(part, str), place)]
    return PREFIX + "__".join(names) + (" as JSON" if len(names) < len(place) else "")
