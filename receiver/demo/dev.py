"""Run `receiver dev`: an emulator and a receiver, whose settings, store and state are kept in a folder."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Connection, select

from receiver.app import Receiver
from receiver.demo.create import ensure_queue
from receiver.demo.dev_folder import SETTINGS, STATE, TOKEN, load_dev_settings, read_token, write_private
from receiver.demo.processes import cancel_at_signals, emulator_process, serving_receiver
from receiver.errors import SchedulerError, SettingsError
from receiver.http.tokens import SCOPES, authenticate, create_token, token_named
from receiver.maintenance import schema
from receiver.reconcile.account_context import AccountContext
from receiver.reconcile.creation import create_tasks, with_urls
from receiver.scheduler.wire import NewTask
from receiver.server import listen, machine_environment
from receiver.settings.models import AccountSettings
from receiver.storage.engine import Store
from receiver.storage.serve_lock import holding
from receiver.tasks.tables import TASK

_QUEUE, _REF = "dev", "dev-"


@dataclass(frozen=True, slots=True)
class DevOptions:
    """`tasks`: how many to create, None: without end. `every_s`: seconds between two of them."""

    folder: Path
    faults: str
    answer_rate: float
    tasks: int | None
    every_s: float


@dataclass(frozen=True, slots=True)
class Development:
    """A running receiver with its emulator. `account`, `queue_id`: where tasks are created."""

    options: DevOptions
    receiver: Receiver
    serving: asyncio.Task[None]
    account: str
    queue_id: str
    token: str

    async def create_tasks(self) -> None:
        """Create the tasks of the options, one after the other."""
        context = self.receiver.contexts[self.account]
        number = await self.receiver.store.read(last_number)
        last = None if self.options.tasks is None else number + self.options.tasks
        while last is None or number < last:
            number += 1
            await _create(context, self.receiver.settings.hook_root, self.queue_id, number)
            await asyncio.sleep(self.options.every_s)


@asynccontextmanager
async def development(options: DevOptions) -> AsyncIterator[Development]:
    """Start emulator and receiver. A signal cancels the block; at its end both are stopped."""
    cancel_at_signals()
    settings = load_dev_settings(options.folder)
    name, account = next(iter(settings.accounts.items()))
    with (
        _naming(options.folder),
        holding(settings.store),
        closing(listen(settings.host, settings.port, "port")) as hooks,
        closing(listen(settings.api.host, settings.api.port, "api.port")) as api,
    ):
        async with emulator_process(_emulator_arguments(options, name, account)) as emulator:
            _upgrade(settings.store)
            receiver = Receiver(settings, machine_environment(settings))
            async with serving_receiver(receiver, hooks, api) as serving:
                queue_id = await ensure_queue(receiver.contexts[name], _QUEUE)
                token = await _token(receiver, options.folder / TOKEN)
                try:
                    yield Development(options, receiver, serving, name, queue_id, token)
                finally:
                    await emulator.stop()  # while the receiver takes the hooks that are under way


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """Name the settings file in errors about settings, which users may not know."""
    try:
        yield
    except SettingsError as error:
        raise SettingsError(f"{error}; change it in {folder / SETTINGS}") from None


def last_number(connection: Connection) -> int:
    """Return the largest number in the refs of tasks that `create_tasks` has created, 0 without any."""
    refs = connection.scalars(select(TASK.c.ref).where(TASK.c.ref.startswith(_REF, autoescape=True)))
    numbers = (ref.removeprefix(_REF) for ref in refs)
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def _upgrade(store: str) -> None:
    """Upgrade a store that an earlier version has made."""
    with closing(Store(store)) as opened, opened.migration() as connection:
        if schema.examine(connection).verdict == "older":
            schema.upgrade(connection)


def _emulator_arguments(options: DevOptions, name: str, account: AccountSettings) -> list[str]:
    """Return the arguments of the emulator that the account is at."""
    place = urlsplit(str(account.base_url))
    setting = f"accounts.{name}.base_url"
    if place.hostname != "127.0.0.1" or place.port is None:
        raise SettingsError(
            f"{setting}: the first account must be at the emulator, http://127.0.0.1:PORT/api/ver1.0"
        )
    listen("127.0.0.1", place.port, setting).close()  # its error names the setting
    values = {
        "port": place.port,
        "state": options.folder / STATE,
        "faults": options.faults,
        "answer-rate": options.answer_rate,
        "account": ":".join(
            (account.client_id, account.oauth_client_id, account.oauth_client_secret.get_secret_value())
        ),
    }
    return [part for option, value in values.items() for part in (f"--{option}", str(value))]


async def _token(receiver: Receiver, path: Path) -> str:
    """Return the token in the file, or a new one with all scopes if it is not valid."""
    stored = read_token(path.parent)
    now = receiver.environment.clock.now()

    def valid(connection: Connection) -> str:
        if stored and authenticate(connection, stored, now):
            return stored
        numbers = range(1, 1000)
        names = ("dev" if number == 1 else f"dev-{number}" for number in numbers)
        name = next(name for name in names if connection.scalar(token_named(name)) is None)
        return create_token(connection, name, SCOPES, now)

    token = await receiver.store.write(valid)
    if token != stored:
        write_private(path, f"{token}\n")
    return token


async def _create(context: AccountContext, url: str, queue_id: str, number: int) -> None:
    """Create one task. If the emulator refuses it, as with faults, the next one is created in its turn."""
    task = NewTask(
        name=f"Callback {number}",
        a_number="101",
        b_number=f"+7916{number % 10**7:07}",
        try_count=2,
        try_again_pause=10,
    )
    try:
        await create_tasks(context, queue_id, [with_urls(context, url, f"{_REF}{number}", task)])
    except SchedulerError:
        return
