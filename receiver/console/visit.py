"""One visit of a page: who looks, in which language and zone, and the API as the visitor may use it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard
from urllib.parse import quote, urlencode

from pydantic import ValidationError
from starlette.requests import Request

from receiver.console.preferences import Preferences
from receiver.console.problems import ShownProblem, shown_problem
from receiver.console.sign_in.session import SignedIn
from receiver.domain.calendar import Calendar
from receiver.domain.periods import PeriodReader
from receiver.domain.validation import validation_kind, validation_text
from receiver.errors import ErrorKind, ForbiddenError, InputError, NotFoundError
from receiver.http.dispatch import check_access
from receiver.http.endpoint import ApiContext, Call, Endpoint, Params
from receiver.http.problems import input_error
from receiver.i18n.catalogue import Catalogue, catalogue
from receiver.story.times import Times, duration

ROOT = "/console"


class ConsoleApi:
    """The endpoints of /v1, by method and path, called in this process."""

    def __init__(self, context: ApiContext, endpoints: Sequence[Endpoint]) -> None:
        self.context = context
        self._endpoints = {(each.method, each.path): each for each in endpoints}

    async def call(self, signed: SignedIn, method: str, path: str, given: "Given") -> Any:
        """Return the answer of an endpoint, a model or a response.

        Raises the errors of the endpoint: InputError for bad parameters, ForbiddenError without the scope.
        """
        endpoint = self._endpoints[method, path]
        await check_access(self.context, endpoint, signed.caller, given.path)
        query = _read(endpoint.query, _set(given.query))
        body = _read(endpoint.body, given.body) if endpoint.body else None
        query, places = await self.context.resolve(query, given.path)
        return await endpoint.handler(Call(self.context, signed.caller, places, query, body, given.accept))

    def check(self, method: str, path: str, body: Mapping[str, Any]) -> list[InputError]:
        """Return the errors of a body, the first of each field such as `filter.types`; empty if the endpoint
        accepts it.
        """
        shape = self._endpoints[method, path].body
        try:
            if shape is not None:
                shape.model_validate(body)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            by_field = {".".join(filter(_is_name, each["loc"])): each for each in reversed(found)}
            return [
                InputError(name, validation_text(each), validation_kind(each))
                for name, each in by_field.items()
            ]
        return []

    def allows(self, signed: SignedIn, method: str, path: str) -> bool:
        """Return whether the caller may use an endpoint, at least for its own subscription."""
        endpoint = self._endpoints[method, path]
        if signed.caller.subscription is not None:
            return endpoint.own is not None
        return endpoint.scope in signed.caller.scopes


@dataclass(frozen=True, slots=True)
class Given:
    """What a call is given. Values that are None or empty text are left out of the query, not of the body."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    accept: str = ""


def _read(shape: type[Params], values: Mapping[str, Any]) -> Params:
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        raise input_error(error, shape) from None


def _set(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}


def _is_name(part: object) -> TypeGuard[str]:
    return isinstance(part, str)


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page by someone who is signed in. `path`: parameters of the path."""

    request: Request
    signed: SignedIn
    preferences: Preferences
    api: ConsoleApi

    @property
    def path(self) -> Mapping[str, str]:
        return dict(self.request.path_params)

    @property
    def query(self) -> Mapping[str, str]:
        """Parameters of the query; of a name given twice the last value."""
        return dict(self.request.query_params)

    @property
    def texts(self) -> Catalogue:
        return catalogue(self.preferences.language)

    @property
    def times(self) -> Times:
        """Moments in the zone of the visitor, else in that of the settings."""
        context = self.api.context
        return Times(self.preferences.zone or context.rules.zone, context.clock.now())

    @property
    def own_page(self) -> str | None:
        """The page of the only subscription that the visitor's token is for, else None."""
        own = self.signed.caller.subscription
        return None if own is None else f"{ROOT}/subscriptions/{own}"

    def may(self, *scopes: str) -> bool:
        """Return whether the visitor has all of these scopes."""
        return set(scopes) <= self.signed.caller.scopes

    def allows(self, method: str, path: str) -> bool:
        """Return whether the visitor may use an endpoint."""
        return self.api.allows(self.signed, method, path)

    def lasting(self, seconds: float) -> str:
        """Return a duration in its two largest units."""
        return self.texts.render(duration(seconds))

    def check(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, ShownProblem]:
        """Return field → problem of a body for an endpoint; empty if it can be sent."""
        return self.problems(*self.api.check(method, path, body))

    def problems(self, *errors: InputError) -> dict[str, ShownProblem]:
        """Return field → problem, as forms show them."""
        return {error.field: shown_problem(error, self.texts) for error in errors}

    def require(self, method: str, path: str) -> None:
        """Raise ForbiddenError unless the visitor may use an endpoint."""
        if not self.allows(method, path):
            raise ForbiddenError("this account may not do this", ErrorKind("no_right"))

    async def get(self, endpoint: str, path: Mapping[str, str] | None = None, **query: Any) -> Any:
        """Return the answer of a GET endpoint, such as `/v1/tasks/{account}/{key}`. Raises its errors."""
        return await self.api.call(self.signed, "GET", endpoint, Given(path or {}, query))

    async def find(self, endpoint: str, path: Mapping[str, str] | None = None, **query: Any) -> Any | None:
        """Return the answer of a GET endpoint; None if it is unknown, or not for the visitor."""
        try:
            return await self.get(endpoint, path, **query)
        except (NotFoundError, ForbiddenError):
            return None

    async def send(
        self, method: str, endpoint: str, path: Mapping[str, str] | None = None, **body: Any
    ) -> Any:
        """Return the answer of an endpoint that changes something. Raises its errors."""
        return await self.api.call(self.signed, method, endpoint, Given(path or {}, body=body))

    def moment(
        self, name: str, given: Mapping[str, str] | None = None, *, is_end: bool = False
    ) -> float | None:
        """Return the moment of a parameter, or of a field of a form: a day in the zone of the visitor or
        another form that people type; None without it. `is_end`: the whole day is meant. Raises InputError.
        """
        text, times = (self.query if given is None else given).get(name), self.times
        reader = PeriodReader(Calendar(times.zone), times.now)
        return reader.moment(name, text, is_end=is_end) if text else None

    def link(self, **changes: str | None) -> str:
        """Return the address of this page with other parameters; None takes one out."""
        query = {**self.query, **changes}
        kept = {name: value for name, value in query.items() if value not in (None, "")}
        return f"{self.request.url.path}?{urlencode(kept)}" if kept else self.request.url.path


def task_key(outcome: Mapping[str, Any]) -> str:
    """Return the key of the task that an outcome is about. `outcome`: data of the event."""
    return str(outcome["ref"] or f"#{outcome['task_id']}")


def task_path(account: str, key: str, below: str = "", **query: str | None) -> str:
    """Return the address of the page of a task, or of a page `below` it. Parameters that are None are left
    out.
    """
    path = "/".join([ROOT, "tasks", quote(account, safe=""), quote(key, safe=""), *filter(None, [below])])
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path
