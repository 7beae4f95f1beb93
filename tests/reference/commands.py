"""The commands as Markdown, from their own help."""

import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from receiver.cli import COMMANDS
from tests.reference.markdown import code, table


def commands() -> str:
    """Return an index of all commands, and the help of each."""
    found = list(_leaves())
    rows = ((f"[`receiver {name}`](#{_anchor(name)})", _paragraphs(command)[0]) for name, command in found)
    return "\n".join([table(("command", "does"), rows), *(_command(*item) for item in found)])


def _leaves() -> Iterator[tuple[str, Any]]:
    """Yield each command that can be run, by all its words."""
    for name, lazy in COMMANDS.items():
        command = lazy.load(name)
        members = dict(getattr(command, "commands", {"": command}))
        members |= {inner: member.load(inner) for inner, member in getattr(command, "lazy", {}).items()}
        for inner, leaf in members.items():
            yield f"{name} {inner}".strip(), leaf


def _command(name: str, command: Any) -> str:
    parameters = [parameter for parameter in command.params if not parameter.hidden]
    arguments = [parameter for parameter in parameters if not parameter.opts[0].startswith("-")]
    usage = " ".join(["receiver", name, *map(_placeholder, arguments)])
    parts = [f"## receiver {name}\n", "\n\n".join([f"`{usage}`", *_paragraphs(command)]) + "\n"]
    if parameters:
        rows = ((_names(parameter), _value(parameter), parameter.help or "") for parameter in parameters)
        parts.append(table(("option or argument", "value", "meaning"), rows))
    return "\n".join(parts)


def _paragraphs(command: Any) -> list[str]:
    paragraphs = inspect.cleandoc(command.help).split("\n\n")
    return [" ".join(paragraph.split()) for paragraph in paragraphs]


def _placeholder(argument: Any) -> str:
    name = argument.name.upper().rstrip("_")
    return name if argument.required else f"[{name}]"


def _names(parameter: Any) -> str:
    names = [*parameter.opts, *parameter.secondary_opts]
    return ", ".join(map(code, names)) if names[0].startswith("-") else code(parameter.name.upper())


def _value(parameter: Any) -> str:
    kind = parameter.type_descriptor.annotation
    if getattr(parameter, "is_flag", False):
        return "flag"
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    if isinstance(kind, type) and issubclass(kind, Enum):
        choices = tuple(each.value for each in kind)
    if len(choices) > _MAX_CHOICES:
        shown = "a name"
    elif choices:
        shown = ", ".join(map(code, choices))
    else:
        shown = _KINDS.get(getattr(kind, "__name__", ""), "text")
    more = [
        "required" if parameter.required else "",
        "may be repeated" if parameter.multiple or parameter.nargs == -1 else "",
        "" if parameter.default in (None, "", (), []) else f"default {code(parameter.default)}",
    ]
    return "; ".join(filter(None, [shown, *more]))


_MAX_CHOICES = 12
"""An option with more values names the page or command that lists them."""

_KINDS = {"int": "integer", "float": "number", "Path": "path", "bool": "flag"}


def _anchor(name: str) -> str:
    return f"receiver-{name.replace(' ', '-')}"
