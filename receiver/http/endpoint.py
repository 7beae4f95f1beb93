"""An endpoint as data, and one call of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from receiver.http.context import ApiParts
from receiver.http.media import JSON

Query = TypeVar("Query")
Body = TypeVar("Body")


class Asked(BaseModel):
    """The parameters or the body of a request; what it does not name is refused."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Call(Generic[Query, Body]):
    """One call: what was asked, checked, and what its token allows. `accept`: the header of that name."""

    parts: ApiParts
    scopes: frozenset[str]
    path: Mapping[str, str]
    query: Query
    body: Body
    accept: str = ""

    @property
    def numbers(self) -> bool:
        """Whether phone numbers are shown in full."""
        return "numbers" in self.scopes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """From this both the route and its documentation are made. `response`: the shape of the JSON answer, or
    where there is none what the answer is; `body` is None where none is read. `media`: the types of answers,
    first the one given to who asks for none; `problems`: statuses that only some endpoints answer with;
    `choices`: path parameter → its only values.

    An answer that is no JSON the handler makes itself.
    """

    method: str
    path: str
    summary: str
    description: str
    scope: str
    response: type[BaseModel] | str
    handler: Callable[[Call[Any, Any]], Awaitable[BaseModel | Response]]
    query: type[Asked] = Asked
    body: type[Asked] | None = None
    media: tuple[str, ...] = (JSON,)
    problems: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
