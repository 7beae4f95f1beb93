"""Calls of API handlers on the local store, without HTTP, for commands that print what the API answers."""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection

from receiver.cli.times import settings_of_command, use_settings
from receiver.domain.facts import Fact
from receiver.domain.fields import FieldReader
from receiver.domain.hooks import HookSigner
from receiver.errors import InputError
from receiver.http.endpoint import NAMING, ApiContext, Call, Caller, Params, SubscriberNetwork
from receiver.http.problems import input_error
from receiver.maintenance.schema import create_tables
from receiver.runtime.clock import WallClock
from receiver.settings.settings import Settings, load_settings
from receiver.storage.engine import Store
from receiver.tasks.names import Names

if TYPE_CHECKING:
    from httpx2 import AsyncBaseTransport

    from receiver.domain.timeline import Timeline

_OPTIONS = {"queue_id": "queue", "than_queue_id": "than-queue", "finish_result": "result"}
"""Field → option, if its name is another one."""

Answer = TypeVar("Answer", bound=BaseModel)
Query = TypeVar("Query", bound=Params)


def ask(
    handler: Callable[[Call[Any, Any]], Awaitable[Answer]],
    query: Params,
    path: Mapping[str, str],
    config: Path | None,
    *,
    numbers: bool = False,
    body: Params | None = None,
    services: "Callable[[Settings], Mapping[type, object]] | None" = None,
) -> Answer:
    """Return the handler's answer. Raises the errors of the handler. `services`: see `ApiContext`."""
    with open_local_api(config, services) as api:
        return api.ask(handler, query, path, numbers=numbers, body=body)


class LocalApi:
    """The API's handlers on one open store, for commands that look again and again."""

    def __init__(self, context: ApiContext, runner: asyncio.Runner) -> None:
        self._context = context
        self._runner = runner

    def ask(
        self,
        handler: Callable[[Call[Any, Any]], Awaitable[Answer]],
        query: Params,
        path: Mapping[str, str],
        *,
        numbers: bool = False,
        body: Params | None = None,
    ) -> Answer:
        """Return the handler's answer. Raises the errors of the handler."""
        call = self.call(query, path, numbers=numbers, body=body)

        async def answer() -> Answer:
            return await handler(call)

        with naming_options():
            return self._runner.run(answer())

    def call(
        self,
        query: Query,
        path: Mapping[str, str],
        *,
        numbers: bool = False,
        body: Params | None = None,
    ) -> Call[Query, Any]:
        """Return a call of a handler, with ids of queues for their names. Raises InputError."""
        caller = cli_caller({"read", "subscribe", "numbers"} if numbers else {"read", "subscribe"})
        with naming_options():
            found, place = self._runner.run(self._context.resolve(query, path))
        return Call(self._context, caller, place, found, body)


@contextmanager
def open_local_api(
    config: Path | None, services: "Callable[[Settings], Mapping[type, object]] | None" = None
) -> Iterator[LocalApi]:
    """Open the store of the settings until the end of the block. `services`: see `ApiContext`."""
    settings = load_settings(config)
    use_settings(settings)
    store = Store(settings.store)
    try:
        create_tables(store)
        context = _context(settings, store)
        if services:
            context = replace(context, services={**context.services, **services(settings)})
        with asyncio.Runner() as runner:
            yield LocalApi(context, runner)
    finally:
        store.close()


def cli_caller(scopes: Iterable[str]) -> Caller:
    """Return the user of the operating system as a caller with these scopes."""
    return Caller(f"cli:{_user()}", frozenset(scopes), is_local=True)


def resolved(connection: Connection, query: Query) -> Query:
    """Return the parameters with ids of queues for their names. Raises InputError, which names the option."""
    with naming_options():
        return Names(settings_of_command().accounts.keys()).of_query(connection, query)


@contextmanager
def naming_options(fields: Container[str] = NAMING) -> Iterator[None]:
    """Let errors about accounts and queues, or about these fields of the API, name the option instead."""
    try:
        yield
    except InputError as error:
        if error.field not in fields:
            raise
        raise InputError(_option(error.field), error.problem) from None


def _option(field: str) -> str:
    return "--" + _OPTIONS.get(field, field).replace("_", "-")


def _context(settings: Settings, store: Store) -> ApiContext:
    """Return what handlers use. Slow imports that most answers do not need wait for their use."""

    def fold(facts: Iterable[Fact]) -> "Timeline":
        return settings.fold(facts)

    def open_transport() -> "AsyncBaseTransport":
        from receiver.settings.conversion import subscriber_transport  # noqa: PLC0415

        return subscriber_transport(settings.delivery)

    return ApiContext(
        store=store,
        signer=HookSigner(settings.signing_keys),
        public_url=settings.hook_root,
        accounts=tuple(settings.accounts),
        clock=WallClock(settings.clock_speed, settings.clock_origin),
        fold=fold,
        fields=FieldReader(settings.aliases),
        services={SubscriberNetwork: SubscriberNetwork(open_transport, settings.delivery.allowed_networks)},
        rules=settings.work_rules,
        names=Names(tuple(settings.accounts)),
        regions=settings.regions,
    )


def _user() -> str:
    """Return the user of the operating system; their number if they have no name, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def query_of(shape: type[Query], **given: Any) -> Query:
    """Return the parameters from options. Raises InputError, which names the option."""
    try:
        return shape.model_validate(
            {name: _as_parameter(value) for name, value in given.items() if value is not None}
        )
    except ValidationError as error:
        found = input_error(error, shape)
        raise InputError(_option(found.field), found.problem) from None


def _as_parameter(value: Any) -> Any:
    """Return a value as it is written in a URL."""
    return str(value).lower() if isinstance(value, bool) else value


def plain(answer: BaseModel) -> Any:
    """Return an answer as JSON values."""
    return answer.model_dump(mode="json")
