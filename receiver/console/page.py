"""A page and an action of the console as data: their routes are made from this."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from receiver.console.visit import Visit

Form = Mapping[str, str]
"""The fields of a form that was sent, by name; of a name given twice the last value."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page. `path`: below /console; `read`: returns the values of the template, or the whole answer, and
    raises the errors of the API; `menu`: key of its entry in the menu; `scope`: without it the menu has no
    entry; `own`: tokens for one subscription alone may see it, if it is about that one; `live`: template of
    its live parts, for pages that look the same to all visitors with the same rights.
    """

    path: str
    template: str
    read: Callable[[Visit], Awaitable[Mapping[str, Any] | Response]]
    menu: str | None = None
    scope: str = "read"
    own: bool = False
    live: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What follows an action: the visitor is sent to another page. `location`: path and query; `notice`: key
    of the text that the page shows, with `.notice.` in it; `count`: of the text.
    """

    location: str
    notice: str = ""
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What follows an action: a page that is shown once, such as one with a new secret, or the form with its
    problems (`status` 400).
    """

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Action:
    """A form that changes something. `path`: below /console; `act`: does it by the API and raises its
    errors.
    """

    path: str
    act: Callable[[Visit, Form], Awaitable[Done | Shown]]
