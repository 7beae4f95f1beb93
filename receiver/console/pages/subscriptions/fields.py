"""The fields of the form of a subscription, as data: what is shown, and how text becomes options."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from receiver.domain.reasons import CALL_RESULTS, FailedLeg
from receiver.http.schemas import Confidence
from receiver.outcomes.events import EVENT_TYPES
from receiver.outcomes.operator_types import EVERY_TYPE, OPERATOR_TYPES
from receiver.outcomes.subscription import FormatName, SubscriptionOptions

Kind = Literal[
    "line",
    "number",
    "id",
    "secret",
    "choice",
    "code",
    "flag",
    "answer",
    "many",
    "lines",
    "area",
    "pairs",
    "delays",
]
"""`id`: a whole number, or text; `code`: a choice of whole numbers; `answer`: yes, no or both; `many`: some
of the choices; `lines`: a list, one on each line; `pairs`: `NAME: VALUE` on each line; `delays`: seconds.
"""

Group = Literal["where", "format", "filter", "delivery"]

HIDDEN = "•••"
"""What the API shows of a value that is secret. Sent back, it stays as it is."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field. `name`: that of the API, with dots; `formats`: only for these formats or presets; `shape`:
    attributes of the input, such as `min`; `is_optional`: empty text is null rather than missing; `is_rare`:
    behind a fold of the page; `about`: label if the catalogue has none.
    """

    name: str
    kind: Kind = "line"
    group: Group = "delivery"
    choices: Sequence[str] = ()
    formats: Sequence[str] = ()
    shape: Mapping[str, Any] = field(default_factory=dict)
    is_optional: bool = False
    is_rare: bool = False
    about: str = ""


NEW = "new"
"""Stands in `formats` of a field that only a new subscription has."""

_CRMS = ("bitrix24", "amocrm", "hubspot")
_TEXT = {"autocomplete": "off", "maxlength": 200}
_ATTEMPTS = {"min": 0, "max": 1000, "step": "1", "inputmode": "numeric"}


def _option(name: str, kind: Kind, *formats: str, choices: Sequence[str] = ()) -> Field:
    return Field(
        f"options.{name}", kind, "format", choices, formats, {} if kind in ("area", "lines") else _TEXT
    )


_SCHEMAS: dict[str, Any] = SubscriptionOptions.model_json_schema()["properties"]

_APART = ("name", "url", "filter", "format", "options", "headers")
"""Options with fields of their own; the fields of the others follow from their schemas."""

_KINDS: dict[str, Kind] = {"number": "number", "integer": "number", "array": "delays"}
"""JSON Schema type → kind of the field; other options are text, or a choice."""


def _of_schema(name: str, schema: Mapping[str, Any]) -> Field:
    """Return the field of an option."""
    shapes = schema.get("anyOf", [schema])
    first, is_optional = shapes[0], {"type": "null"} in shapes
    choices = tuple(first.get("enum", ()))
    kind: Kind = "choice" if choices else _KINDS.get(first.get("type", ""), "line")
    return Field(
        name,
        kind,
        choices=choices,
        shape=_limits(first) if kind == "number" else _TEXT,
        is_optional=is_optional,
        is_rare=name != "certainty",
        about=schema.get("description", name),
    )


def _limits(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of an input for a number."""
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    is_whole = schema["type"] == "integer"
    step, mode = ("1", "numeric") if is_whole else ("any", "decimal")
    return {"min": low, "max": schema.get("maximum"), "step": step, "inputmode": mode}


FIELDS = (
    Field("name", group="where", shape=_TEXT | {"required": True}),
    Field(
        "url",
        group="where",
        shape={"required": True, "maxlength": 2000, "inputmode": "url", "autocomplete": "off"},
    ),
    Field("secret", "secret", "where", formats=(NEW,), shape=_TEXT),
    _option("chat_id", "line", "telegram"),
    _option("message_thread_id", "line", "telegram"),
    _option("mode", "choice", "cloudevents", choices=("structured", "binary")),
    _option("prefix", "line", "cloudevents"),
    _option("body", "area", "template"),
    _option("content_type", "line", "template"),
    _option("method", "choice", "template", choices=("POST", "PUT", "PATCH")),
    _option("headers", "pairs", "template"),
    _option("types", "lines", "template"),
    _option("token", "secret", "amocrm", "hubspot"),
    _option("user_id", "id", "bitrix24"),
    _option("user_phone_inner", "line", "bitrix24"),
    _option("type", "code", "bitrix24", choices=("1", "4")),
    _option("crm_create", "flag", "bitrix24"),
    _option("line", "line", "bitrix24"),
    _option("responsible", "id", "amocrm"),
    _option("source", "line", "amocrm"),
    _option("unknown_contact", "choice", "amocrm", choices=("skip", "retry")),
    _option("owner", "line", "hubspot"),
    _option("customer", "choice", *_CRMS, choices=("b", "a")),
    _option("record_url", "line", *_CRMS),
    _option("results", "pairs", *_CRMS),
    Field("filter.types", "many", "filter", (*EVENT_TYPES, EVERY_TYPE, *OPERATOR_TYPES)),
    Field("filter.accounts", "many", "filter"),
    Field("filter.queues", "lines", "filter", is_rare=True),
    Field("filter.results", "many", "filter", CALL_RESULTS, is_rare=True),
    Field("filter.failed_legs", "many", "filter", get_args(FailedLeg), is_rare=True),
    Field("filter.extensions", "lines", "filter", is_rare=True),
    Field("filter.min_attempts", "number", "filter", shape=_ATTEMPTS, is_optional=True, is_rare=True),
    Field("filter.max_attempts", "number", "filter", shape=_ATTEMPTS, is_optional=True, is_rare=True),
    Field("filter.final", "answer", "filter", ("", "true", "false"), is_optional=True, is_rare=True),
    Field("filter.confidence", "many", "filter", get_args(Confidence), is_rare=True),
    *(_of_schema(name, schema) for name, schema in _SCHEMAS.items() if name not in _APART),
    Field("headers", "pairs"),
)
"""In the order of the page."""

PRESETS = ("telegram", "slack", "teams")
KINDS: tuple[str, ...] = (*get_args(FormatName), *PRESETS)
"""What a new subscription may be: a format, or a preset for a chat."""


def fields_for(*kinds: str) -> list[Field]:
    """Return the fields of a format or preset. `kinds`: its name, and `new` for a new subscription."""
    return [each for each in FIELDS if not each.formats or set(kinds) & set(each.formats)]


def read_fields(fields: Sequence[Field], form: Mapping[str, str]) -> dict[str, Any]:
    """Return the options that a form has, by name with dots. Text that cannot be read is kept, for the API to
    refuse it.
    """
    values = {}
    for each in fields:
        value = _read(each, form)
        if value is not None or each.is_optional:
            values[each.name] = value
    return values


def _read(each: Field, form: Mapping[str, str]) -> Any:
    """Return the value of a field, None if it is empty."""
    text = form.get(each.name, "").replace("\r\n", "\n")
    match each.kind:
        case "many":
            return [value for value in _all_choices(each, form) if form.get(f"{each.name}:{value}")]
        case "flag":
            return each.name in form
        case "delays":
            return [] if form.get(f"{each.name}:none") else _numbers(text)
        case _:
            return _READERS.get(each.kind, _word)(text)


def _word(text: str) -> str | None:
    return text.strip() or None


def _number(text: str) -> str | None:
    return text.strip().replace(",", ".") or None


def _id(text: str) -> int | str | None:
    """Return a whole number, or other text."""
    word = text.strip()
    return int(word) if word.isdecimal() and len(word) < 16 else word or None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _pairs(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in _lines(text))
    return {name.strip(): value.strip() for name, _, value in pairs}


_READERS: dict[Kind, Callable[[str], Any]] = {
    "area": lambda text: text or None,
    "code": _id,
    "id": _id,
    "lines": _lines,
    "number": _number,
    "pairs": _pairs,
}
"""Kind → what reads its text; others are one line of text."""


def _all_choices(each: Field, form: Mapping[str, str]) -> list[str]:
    """Return the choices in their order, then those that only the form knows, such as accounts."""
    prefix = f"{each.name}:"
    given = [name.removeprefix(prefix) for name in form if name.startswith(prefix)]
    return [*each.choices, *(value for value in given if value not in each.choices)]


def _numbers(text: str) -> list[str] | None:
    """Return the numbers between commas, semicolons or spaces."""
    return text.replace(";", " ").replace(",", " ").split() or None


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body: `filter.types` becomes the field `types` of the object `filter`."""
    body: dict[str, Any] = {}
    for name, value in values.items():
        outer, _, inner = name.partition(".")
        if inner:
            body.setdefault(outer, {})[inner] = value
        else:
            body[outer] = value
    return body


def typed_of(fields: Sequence[Field], stored: Mapping[str, Any]) -> dict[str, str]:
    """Return the form with stored options: field → text. `stored`: nested. Secrets are left out."""
    typed: dict[str, str] = {}
    for each in fields:
        outer, _, inner = each.name.partition(".")
        value = stored.get(outer)
        value = value.get(inner) if inner and isinstance(value, Mapping) else value
        if value is not None:
            typed |= _typed(each, value)
    return typed


def _typed(each: Field, value: Any) -> dict[str, str]:
    if value == HIDDEN or each.name == "headers":
        return {}
    if each.kind == "many":
        return {f"{each.name}:{one}": "on" for one in value}
    if each.kind == "delays" and not value:
        return {"retry_delays_s:none": "on"}
    if each.kind == "flag":
        return {each.name: "on"} if value else {}
    return {each.name: _text(value)}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {inner}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        is_numbers = all(isinstance(one, int | float) for one in value)
        return (", " if is_numbers else "\n").join(map(_text, value))
    return str(value)
