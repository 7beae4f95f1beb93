"""An endpoint as data, one call of it, and what handlers work with."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from receiver.domain.facts import Fact
from receiver.domain.fields import FieldReader
from receiver.domain.hooks import HookSigner
from receiver.domain.numbers import REGION
from receiver.errors import ConflictError
from receiver.runtime.clock import Clock
from receiver.storage.engine import Store

JSON = "application/json"

MAX_BODY = 16_384
"""Maximum bytes of a body of JSON, unless the endpoint has another limit."""

MAX_EXPORTS = 8
"""Exports that run at the same time."""

if TYPE_CHECKING:
    from httpx2 import AsyncBaseTransport
    from sqlalchemy import Connection
    from starlette.responses import Response

    from receiver.domain.fold import Fold
    from receiver.domain.timeline import Purpose, Timeline
    from receiver.inbox.refused import RefusalLog

Query = TypeVar("Query")
Body = TypeVar("Body")
Service = TypeVar("Service")
Given = TypeVar("Given", bound="Params")


NAMING = {"account", "queue_id", "than_account", "than_queue_id"}
"""Parameters that name accounts or queues."""


class NameLookup(Protocol):
    """Checks accounts and queues that requests name, and replaces names of queues by their ids."""

    def needs_store(self, query: "Params", path: Mapping[str, str]) -> bool:
        """Return whether a name must be looked up in the store."""

    def of_query(self, connection: "Connection", query: Given) -> Given:
        """Return the parameters with ids. Raises InputError, which names the field."""

    def of_path(self, connection: "Connection", path: Mapping[str, str]) -> Mapping[str, str]:
        """Return the path's parameters with ids. Raises NotFoundError."""


class Params(BaseModel):
    """The query parameters or the body of a request; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


def _fold(facts: Iterable[Fact]) -> "Timeline":
    """Fold with default settings. Imported when needed: commands that print lists fold nothing."""
    from receiver.domain.fold import fold  # noqa: PLC0415

    return fold(facts)


@dataclass(frozen=True, slots=True)
class WorkRules:
    """What the settings say about work on tasks. `margins`: purpose → seconds after a task's `ask_at` at
    which the work is due. `reconciles`, `delivers`: whether the work is done at all. `zone`: of people.
    `recordings`: account → template of URLs of recordings.
    """

    margins: "Mapping[Purpose, float]" = field(default_factory=dict)
    reconciles: bool = True
    delivers: bool = True
    zone: str = "UTC"
    recordings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubscriberNetwork:
    """A service: the way to subscribers. `open_transport`: opens it, slowly. `allowed`: private networks that
    their URLs may use, in CIDR notation; None: URLs are not checked, since the network is not a real one.
    """

    open_transport: "Callable[[], AsyncBaseTransport]"
    allowed: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ApiContext:
    """What handlers use. `public_url`: where hooks are received; `fold`: folds one task; `fields`: reads
    payloads by the mapping in the settings; `open`: whether the scope `read` needs no token; `closing`: set
    when the server stops, so that streams end; `exports`: held by each running export; `refusals`: requests
    that this process refused on the hook listener, if it has one; `services`: parts of the receiver of
    rooms above this one, by class; `rules`: of work on tasks; `names`: None to accept any name; `regions`:
    countries of phone numbers without a country code, of all accounts.
    """

    store: Store
    signer: HookSigner
    public_url: str
    accounts: tuple[str, ...]
    clock: Clock
    fold: "Fold" = _fold
    fields: FieldReader = field(default_factory=FieldReader)
    open: bool = False
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    refusals: "RefusalLog | None" = None
    exports: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_EXPORTS))
    services: Mapping[type, object] = field(default_factory=dict)
    rules: WorkRules = field(default_factory=WorkRules)
    names: NameLookup | None = None
    regions: tuple[str, ...] = (REGION,)

    async def resolve(self, query: Given, path: Mapping[str, str]) -> tuple[Given, Mapping[str, str]]:
        """Return the parameters of query and path with ids of queues for their names.

        Raises InputError or NotFoundError for an account or queue that is not known.
        """
        names = self.names
        if names is None or not names.needs_store(query, path):
            return query, path
        return await self.store.read(
            lambda connection: (names.of_query(connection, query), names.of_path(connection, path))
        )

    def service(self, kind: type[Service]) -> Service:
        """Return a part of the running receiver, by its class. Raises ConflictError if there is none."""
        found = self.services.get(kind)
        if not isinstance(found, kind):
            raise ConflictError("this needs a running receiver: start `receiver serve`, and ask its API")
        return found


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `actor`: see `AuditRecord`. `is_local`:
    a command, which has the store itself; its scope `numbers` only decides what is printed. `subscription`:
    the only one that the token is for.
    """

    actor: str
    scopes: frozenset[str]
    is_local: bool = False
    subscription: str | None = None


@dataclass(frozen=True, slots=True)
class Call(Generic[Query, Body]):
    """One call of an endpoint: validated parameters, and the caller. `accept`: that header."""

    context: ApiContext
    caller: Caller
    path: Mapping[str, str]
    query: Query
    body: Body
    accept: str = ""

    @property
    def numbers(self) -> bool:
        """Whether phone numbers are shown in full."""
        return "numbers" in self.caller.scopes


OwnerOf = Callable[["Connection", Mapping[str, str]], str | None]
"""Returns the subscription to which the object of a path belongs, None if to none. Takes path parameters."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint of the API: its route and its documentation are made from this.

    `response`: schema of the JSON answer, or a description of an answer that is not JSON, which the handler
    builds itself; `body`: None if no body is read; `media`: media types of the answer, the default first;
    `problems`: statuses that only some endpoints answer with; `choices`: path parameter → allowed values;
    `own`: says whose the object of a path is, so that the token for that subscription alone may call it too.
    Without it such tokens may not call it.
    """

    method: str
    path: str
    summary: str
    description: str
    scope: str
    response: type[BaseModel] | str
    handler: Callable[[Call[Any, Any]], "Awaitable[BaseModel | Response]"]
    query: type[Params] = Params
    body: type[Params] | None = None
    media: tuple[str, ...] = (JSON,)
    problems: tuple[str, ...] = ()
    max_body: int = MAX_BODY
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    own: OwnerOf | None = None


def choose_media(accept: str, offered: Sequence[str]) -> str:
    """Return the offered media type that the Accept header prefers; the first one if it accepts none."""
    ranges = dict(filter(None, map(_media_range, accept.split(","))))
    return max(offered, key=lambda media: _quality(ranges, media))


def _media_range(part: str) -> tuple[str, float] | None:
    """Return a media range and its quality; None if it cannot be read."""
    name, *parameters = (word.strip().lower() for word in part.split(";"))
    quality = next((word[2:] for word in parameters if word.startswith("q=")), "1")
    try:
        return (name, float(quality)) if name else None
    except ValueError:
        return None


def _quality(ranges: Mapping[str, float], media: str) -> float:
    """Return the quality of the narrowest range that contains the media type, or 0."""
    around = (media, f"{media.partition('/')[0]}/*", "*/*")
    return next((ranges[name] for name in around if name in ranges), 0.0)
