"""An endpoint as data, and one call of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from receiver.api.parts import ApiParts

Query = TypeVar("Query")
Body = TypeVar("Body")


class Asked(BaseModel):
    """The parameters or the body of a request; what it does not name is refused."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Call(Generic[Query, Body]):
    """One call: what was asked, checked, and what its token allows."""

    parts: ApiParts
    scopes: frozenset[str]
    path: Mapping[str, str]
    query: Query
    body: Body

    @property
    def numbers(self) -> bool:
        """Whether phone numbers are shown in full."""
        return "numbers" in self.scopes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """From this both the route and its documentation are made. `body` is None where none is read."""

    method: str
    path: str
    summary: str
    description: str
    scope: str
    response: type[BaseModel]
    handler: Callable[[Call[Any, Any]], Awaitable[BaseModel]]
    query: type[Asked] = Asked
    body: type[Asked] | None = None
