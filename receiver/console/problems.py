"""Errors of the API as pages show them: in the language of the visitor."""

from typing import NamedTuple

from receiver.errors import InputError, ReceiverError
from receiver.http.problems import message_of, problem_type
from receiver.i18n.catalogue import Catalogue

_TEXTS = "console_problems"
_LABELS = (f"{_TEXTS}.field", "console_subscription_form.field")


class ShownProblem(NamedTuple):
    """An error as a page shows it. `title`: what kind of problem it is; `text`: what is wrong and what to do
    next; `detail`: what the API says, in English; empty: the text says it all. `field`: of the form, or
    parameter of the page; `label`: its name for people; both empty: the error is about no field.
    """

    title: str
    text: str
    detail: str = ""
    field: str = ""
    label: str = ""


def shown_problem(error: ReceiverError, texts: Catalogue) -> ShownProblem:
    """Return an error in the language of the texts."""
    answer, kind = problem_type(error), error.kind
    title, detail = texts.text(f"{_TEXTS}.{answer.code}.title"), ""
    if kind is not None:
        text = texts.text(f"{_TEXTS}.kind.{kind.name}", **kind.values)
    else:
        text = texts.text(f"{_TEXTS}.{answer.code}.text")
        detail = message_of(error, answer) if answer.message is None else ""
    if not isinstance(error, InputError):
        return ShownProblem(title, text, detail)
    return ShownProblem(title, text, detail and error.problem, error.field, _label(error.field, texts))


def _label(field: str, texts: Catalogue) -> str:
    """Return what forms call a field; an empty text if none has it."""
    keys = (f"{prefix}.{field}" for prefix in _LABELS)
    return next((texts.text(key) for key in keys if isinstance(texts.texts.get(key), str)), "")
