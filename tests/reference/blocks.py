"""Settings, metrics, events, columns and the emulator's catalog as Markdown, from their definitions."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from receiver.analytics.views import RELATIONS
from receiver.cli.columns import described
from receiver.emulator.control import CATALOGUE as EMULATOR
from receiver.emulator.faults import PROFILES
from receiver.observability.metric_definitions import METRICS
from receiver.outcomes import operator_types
from receiver.outcomes.event_types import ABOUT, example, schema
from receiver.settings.models import AccountSettings, HookKeySettings
from receiver.settings.settings import Settings
from tests.reference.markdown import code, fenced, table

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def settings() -> str:
    """Return one row for each setting."""
    rows = [(code(name), _default(name, field), field.description or "") for name, field in _fields()]
    return table(("setting", "default", "meaning"), rows)


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    """Yield each setting with its full name: first those at the top of the file, then table by table."""
    tables: dict[str, type[BaseModel]] = {"hook_keys[]": HookKeySettings, "accounts.NAME": AccountSettings}
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            tables[name] = field.annotation
        elif name not in ("hook_keys", "accounts"):
            yield name, field
    for prefix, model in tables.items():
        yield from _fields_of(prefix, model)


def _fields_of(prefix: str, model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields_of(f"{prefix}.{name}", field.annotation)
        else:
            yield f"{prefix}.{name}", field


def _default(name: str, field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if name == "aliases":
        return "see `receiver config example`"
    return "–" if field.default in (None, (), {}) else code(field.default)


def metrics() -> str:
    """Return one row for each metric."""
    rows = (
        (
            code(metric.exposed) + (f" by {', '.join(metric.labels)}" if metric.labels else ""),
            metric.kind,
            metric.help,
        )
        for metric in METRICS.values()
    )
    return table(("metric", "kind", "meaning"), rows)


def labels() -> str:
    """Return the values of those labels that have a fixed set of values."""
    rows = (
        (code(metric.exposed), label, ", ".join(map(code, values)))
        for metric in METRICS.values()
        for label, values in zip(metric.labels, metric.known, strict=False)
    )
    return table(("metric", "label", "values"), rows)


def events() -> str:
    """Return a table of the event types, and the fields and an example of each."""
    index = table(("event", "meaning"), ((code(name), about) for name, about in ABOUT.items()))
    return "\n".join([index, *_event_fields(), *_operator_fields()])


def _event_fields() -> Iterator[str]:
    common = schema("task.finished")["properties"]["data"]["properties"]
    yield "## Fields of `data`\n"
    yield table(("field", "type", "meaning"), map(_field_row, common.items()))
    proof = schema("task.reconciled")["properties"]["data"]["properties"]
    yield "`task.reconciled` also has:\n"
    yield table(
        ("field", "type", "meaning"), (_field_row(item) for item in proof.items() if item[0] not in common)
    )
    yield "## An example\n"
    yield fenced("json", json.dumps(example("task.reconciled"), ensure_ascii=False, indent=2))


def _operator_fields() -> Iterator[str]:
    common = {name: field for name, (field, _) in operator_types.COMMON.items()}
    yield "## Fields of operator events\n"
    yield (
        "Only a change is an event: once when a condition begins, and once when it ends. The receiver stores "
        "what it has told, so a restart repeats nothing. A condition that returns within 15 minutes of its "
        "end is an event only if it still holds then. A subscription gets operator events only if its filter "
        "names them; `operator.*` names all. An event about a subscription is not sent to this subscription. "
        "Of the filter only `types` and `accounts` apply. The feed `/v1/outcomes` has no operator events; "
        "`/v1/operator-events` lists them, the kind without `operator.`.\n"
    )
    yield table(("field", "type", "meaning"), map(_field_row, common.items()))
    for name, definition in operator_types.TYPES.items():
        yield f"### {code(name)}\n"
        yield f"{definition.about} Severity: {definition.severity}. To do: {definition.advice}\n"
        if definition.fields:
            own = {key: field for key, (field, _) in definition.fields.items()}
            yield table(("field", "type", "meaning"), map(_field_row, own.items()))
        yield fenced("json", json.dumps(example(name), ensure_ascii=False, indent=2))


def _field_row(item: tuple[str, dict[str, Any]]) -> tuple[str, str, str]:
    name, field = item
    types = field.get("type", "string")
    values = [value for value in field.get("enum", ()) if value is not None]
    shown = ", ".join(map(code, values)) or field.get("format", types if types == str(types) else types[0])
    return code(name), shown + (" or null" if "null" in types else ""), field.get("description", "")


def columns() -> str:
    """Return the columns of each export and SQL view."""
    return "\n".join(_relations())


def _relations() -> Iterator[str]:
    for relation in RELATIONS.values():
        found: Any = described(relation)
        yield f"## {relation.name}\n"
        yield f"{relation.about[0].upper()}{relation.about[1:]}. " + (
            f"In SQL: `{relation.view}`.\n" if relation.view else "Exported only; there is no SQL view.\n"
        )
        rows = ((code(column["name"]), column["type"], column["about"]) for column in found["columns"])
        yield table(("column", "type", "meaning"), rows)


def emulator() -> str:
    """Return the emulator's dialects, faults and quirks."""
    return "\n".join(_catalog())


def layers() -> str:
    """Return the rooms of the import contract, the highest first."""
    contracts = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (contract,) = (contract for contract in contracts if contract["type"] == "layers")
    lines = (layer.replace(" : ", " and ").replace(" | ", ", ") for layer in contract["layers"])
    return fenced("text", "\n".join(line for line in lines if line not in ("__main__", "emulator")))


def _catalog() -> Iterator[str]:
    heavy = PROFILES["heavy"]
    yield "## Dialects\n\nHow hooks are written: `--dialect NAME`; `mixed` draws one for each task.\n"
    yield table(("dialect", "meaning"), ((code(name), text) for name, text in EMULATOR["dialects"].items()))
    yield "## Faults\n\nWhat goes wrong, with a probability: `--fault NAME=PROBABILITY`.\n"
    rows = ((code(name), str(getattr(heavy, name)), text) for name, text in EMULATOR["faults"].items())
    yield table(("fault", "with `--faults heavy`", "meaning"), rows)
    yield "## Quirks\n\nHow an account differs from the documentation: `--quirk NAME`.\n"
    yield table(("quirk", "meaning"), ((code(name), text) for name, text in EMULATOR["quirks"].items()))
