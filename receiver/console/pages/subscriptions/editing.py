"""The forms that make and change a subscription, with the checks of the API beside their fields."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

from receiver.console.page import Action, Done, Form, Page, Shown
from receiver.console.pages.subscriptions.actions import (
    shown_secret,
    subscription_path,
    subscription_values,
)
from receiver.console.pages.subscriptions.browsing import API, ONE, page_of, require
from receiver.console.pages.subscriptions.fields import (
    HIDDEN,
    KINDS,
    NEW,
    Field,
    fields_for,
    nested,
    read_fields,
    typed_of,
)
from receiver.console.problems import ShownProblem
from receiver.console.visit import Visit
from receiver.errors import ErrorKind, InputError
from receiver.outcomes.operator_types import EVERY_TYPE, OPERATOR_TYPES
from receiver.outcomes.params import SubscriptionChange
from receiver.outcomes.presets import RATES
from receiver.outcomes.schemas import SubscriptionDetails
from receiver.outcomes.subscription import FormatName, SubscriptionFilter, SubscriptionOptions

_TEXTS = "console_subscription_form"
_GROUPS = ("where", "format", "filter", "delivery")
_EXAMPLE = '{"task": {{ event.data.ref|tojson }}, "result": {{ event.data.result|tojson }}}'
_ADD, _CHANGE = ("POST", API), ("PATCH", ONE)


class ShownField(NamedTuple):
    """A field with its texts. `choices`: value → text; `is_stored`: a secret is stored; empty, it stays."""

    field: Field
    label: str
    hint: str
    choices: Mapping[str, str]
    is_stored: bool = False


class Filled(NamedTuple):
    """A form as it is shown. `kind`: the format or preset; `typed`: field → text; `stored`: the options of
    the subscription that is changed.
    """

    kind: str
    fields: Sequence[Field]
    typed: Mapping[str, str]
    problems: Mapping[str, ShownProblem]
    stored: Mapping[str, Any]


async def _ask_new(visit: Visit) -> Mapping[str, Any]:
    visit.require(*_ADD)
    kind = visit.query.get("kind", "")
    if kind not in KINDS:
        return {"kind": None, "kinds": KINDS, "base": None}
    return _values(visit, Filled(kind, fields_for(kind, NEW), _defaults(kind), {}, {})) | {"base": None}


def _defaults(kind: str) -> dict[str, str]:
    """Return the form of a new subscription: the defaults of the API, and what suits its kind."""
    defaults = SubscriptionOptions.model_construct(name="", url="").model_dump()
    typed = typed_of(fields_for(kind), {name: value for name, value in defaults.items() if value is not None})
    if kind in RATES:
        typed |= {"rate": str(RATES[kind]), "concurrency": "1", f"filter.types:{EVERY_TYPE}": "on"}  # type: ignore[index]
    if kind == "template":
        typed["options.body"] = _EXAMPLE
    if kind in ("bitrix24", "amocrm", "hubspot"):
        typed["certainty"] = "reconciled"
    return typed


async def _add(visit: Visit, form: Form) -> Shown:
    visit.require(*_ADD)
    kind = form.get("kind", "")
    if kind not in KINDS:
        raise InputError("kind", "none of the choices", ErrorKind("choice"))
    fields = fields_for(kind, NEW)
    values = read_fields(fields, form)
    options = _options(values, {})
    body = nested(_without_options(values)) | ({"options": options} if options else {})
    body |= {"format": kind} if kind in get_args(FormatName) else {"preset": kind}
    problems = _checked(visit, _ADD, body)
    if not problems:
        try:
            return shown_secret(await visit.send(*_ADD, **body))
        except InputError as error:
            problems = visit.problems(error)
    filled = Filled(kind, fields, form, problems, {})
    return Shown("subscriptions/form.html", {**_values(visit, filled), "base": None}, 400)


async def _ask_change(visit: Visit) -> Mapping[str, Any]:
    require(visit, "change")
    values = await subscription_values(visit)
    stored = values["subscription"].model_dump()
    kind = visit.query.get("kind", "")
    kind = kind if kind in get_args(FormatName) else stored["format"]
    fields = fields_for(kind)
    return {**values, **_values(visit, Filled(kind, fields, typed_of(fields, stored), {}, stored))}


async def _change(visit: Visit, form: Form) -> Done | Shown:
    require(visit, "change")
    values = await subscription_values(visit)
    subscription: SubscriptionDetails = values["subscription"]
    stored, kind = subscription.model_dump(), form.get("kind", "")
    fields = fields_for(kind)
    body = _changes(read_fields(fields, form), form, stored, kind)
    problems = _checked(visit, _CHANGE, body)
    if not problems:
        changed = {name: value for name, value in body.items() if _differs(name, body, stored)}
        if not changed:
            return Done(page_of(subscription.id), "console_subscriptions.notice.unchanged")
        try:
            return _saved(await visit.send(*_CHANGE, subscription_path(visit), **changed))
        except InputError as error:
            problems = visit.problems(error)
    filled = Filled(kind, fields, form, problems, stored)
    return Shown("subscriptions/form.html", {**values, **_values(visit, filled)}, 400)


def _saved(changed: Any) -> Done | Shown:
    base = page_of(changed.id)
    if not changed.warnings:
        return Done(base, "console_subscriptions.notice.changed")
    values = {"subscription": changed, "base": base, "warnings": changed.warnings}
    return Shown("subscriptions/saved.html", values)


def _changes(values: Mapping[str, Any], form: Form, stored: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return the body of a change with all options of the form."""
    own = stored["options"] if kind == stored["format"] else {}
    removed = {name: None for name in stored["headers"] if form.get(f"headers:remove:{name}")}
    body = nested(_without_options(values))
    return body | {
        "format": kind,
        "options": _options(values, own),
        "headers": body.get("headers", {}) | removed,
    }


def _without_options(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not name.startswith("options.")}


def _options(values: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the format. Stored ones stay if the form has no field for them, or if they are
    secret and were left empty. Defaults that are not stored are left out.
    """
    known = {each.name.removeprefix("options."): each for each in _all_options()}
    kept = {name: value for name, value in stored.items() if name not in known or value == HIDDEN}
    given = {
        name.removeprefix("options."): value for name, value in values.items() if name.startswith("options.")
    }
    return kept | {
        name: value
        for name, value in given.items()
        if value not in (None, "", [], {}) and (name in stored or not _is_default(known[name], value))
    }


def _all_options() -> list[Field]:
    return [each for each in fields_for(*KINDS) if each.group == "format"]


def _is_default(option: Field, value: Any) -> bool:
    return value is False or (bool(option.choices) and str(value) == option.choices[0])


def _differs(name: str, body: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """Return whether an option of a body that was checked is another one than the stored one."""
    if name == "headers":
        return bool(body["headers"])
    new = getattr(SubscriptionChange.model_validate(body), name)
    if isinstance(new, SubscriptionFilter):
        return any(value != stored["filter"].get(part) for part, value in new.model_dump().items())
    return bool(new != stored[name])


def _checked(visit: Visit, endpoint: tuple[str, str], body: Mapping[str, Any]) -> dict[str, ShownProblem]:
    """Return the problems of a body, each at a field of the form."""
    problems = visit.check(*endpoint, body)
    if "filter" in problems:
        problems["filter.max_attempts"] = problems.pop("filter")
    return problems


def _values(visit: Visit, filled: Filled) -> dict[str, Any]:
    """Return the values of the template."""
    shown = [_shown(visit, each, filled) for each in filled.fields]
    return {
        "kind": filled.kind,
        "kinds": get_args(FormatName),
        "groups": {
            group: [each for each in shown if each.field.group == group]
            for group in _GROUPS
            if any(each.field.group == group for each in shown)
        },
        "typed": filled.typed,
        "problems": filled.problems,
        "more": OPERATOR_TYPES,
        "stored_headers": filled.stored.get("headers", {}),
    }


def _shown(visit: Visit, field: Field, filled: Filled) -> ShownField:
    texts, outer, _, inner = visit.texts, *field.name.partition(".")
    label, hint = f"{_TEXTS}.field.{field.name}", f"{_TEXTS}.hint.{field.name}"
    choices = field.choices or (_accounts(visit, filled) if field.name == "filter.accounts" else ())
    keys = {value: f"{_TEXTS}.choice.{field.name}.{value or 'any'}" for value in choices}
    return ShownField(
        field,
        texts.text(label) if label in texts.texts else field.about,
        texts.text(hint) if hint in texts.texts else "",
        {value: texts.text(key) if key in texts.texts else value for value, key in keys.items()},
        is_stored=outer == "options" and filled.stored.get("options", {}).get(inner) == HIDDEN,
    )


def _accounts(visit: Visit, filled: Filled) -> list[str]:
    """Return the accounts of the settings, then others that are stored or typed."""
    typed = [name.partition(":")[2] for name in filled.typed if name.startswith("filter.accounts:")]
    return list(dict.fromkeys([*visit.api.context.accounts, *typed]))


EDITING_PAGES = (
    Page("/subscriptions/new", "subscriptions/form.html", _ask_new),
    Page("/subscriptions/{subscription}/change", "subscriptions/form.html", _ask_change),
)

EDITING_ACTIONS = (
    Action("/subscriptions/new", _add),
    Action("/subscriptions/{subscription}/change", _change),
)
