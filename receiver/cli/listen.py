"""`receiver listen`: the outcomes of a receiver as signed deliveries to a program on this machine."""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer

from receiver.cli.event_lines import event_line
from receiver.cli.forwarding import Event, FeedClient, Forwarder, ForwardResult
from receiver.cli.output import STDERR, STDOUT
from receiver.demo.dev_folder import SETTINGS, read_token
from receiver.domain.network_errors import cause_of
from receiver.errors import InputError
from receiver.maintenance.schema import open_store
from receiver.outcomes import signing, subscription_sql
from receiver.outcomes.subscription import Subscription
from receiver.runtime.clock import WallClock
from receiver.settings.settings import load_settings

_URL, _TOKEN, _SECRET = "RECEIVER_URL", "RECEIVER_TOKEN", "RECEIVER_SIGNING_SECRET"
_ATTEMPTS = 3
"""Attempts of an event that the program answers badly. While nobody answers, there is no limit."""

_LONGEST_PAUSE_S = 15.0
_STATE = Path("receiver-listen.json")


def listen(
    *,
    forward: Annotated[str, typer.Option(metavar="URL", help="URL that outcomes are posted to.")],
    subscription: Annotated[
        str | None,
        typer.Option(help="Id or name of a subscription: only its outcomes, in its format. Default: all."),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(envvar=_URL, help="Root of the receiver's API. Default: that of `receiver dev`."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar=_TOKEN, help="API token with the scope read. Default: that of `receiver dev`."),
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            envvar=_SECRET, help="Secret that signs. Default: the subscription's, or one that is printed."
        ),
    ] = None,
    folder: Annotated[Path, typer.Option(help="Folder of `receiver dev`.")] = Path("receiver-dev"),
    after: Annotated[
        int | None, typer.Option(help="Begin after this cursor; 0: all outcomes. Default: go on.", min=0)
    ] = None,
    resend: Annotated[
        str | None, typer.Option(metavar="EVENT", help="Send this event again, and exit.")
    ] = None,
    state: Annotated[Path, typer.Option(help="File with the cursor and the secret.")] = _STATE,
) -> None:
    """Forward outcomes to a URL, signed as deliveries are, and print a line for each. Ctrl-C stops.

    The first start forwards new outcomes; the next one goes on where this one stopped. An event that is
    answered badly is sent 3 times; while nobody answers, it waits. `certainty` and the rate of a subscription
    do not hold here. Phone numbers are masked unless the token has the scope numbers.
    """
    if secret:
        signing.check_secret(secret)
    source = _source(folder, url, token)
    listening = _Listening(source, forward, subscription, _State(state), secret)
    try:
        is_good = asyncio.run(listening.run(after, resend))
    except httpx2.HTTPError as error:
        raise InputError("--url", f"{source.url}: {_problem(error)}") from None
    except KeyboardInterrupt:
        return
    if not is_good:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Source:
    """A receiver's API. `config`: settings of the same receiver, if its store can be read."""

    url: str
    token: str
    config: Path | None


def _source(folder: Path, url: str | None, token: str | None) -> _Source:
    """Return the given API, or that of `receiver dev`. Raises InputError."""
    if url and token:
        return _Source(url.rstrip("/"), token, None)
    config = folder / SETTINGS
    if url:
        raise InputError("--token", f"give a token of {url} with the scope `read`, or set {_TOKEN}")
    if not config.exists():
        problem = f"give the root of an API, or set {_URL}; there is no `receiver dev` in {folder}"
        raise InputError("--url", problem)
    api = load_settings(config).api
    return _Source(f"http://{api.host}:{api.port}", token or read_token(folder), config)


@dataclass(slots=True)
class _State:
    """The file with the secret and the cursors by what is forwarded."""

    path: Path
    content: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            self.content = dict(json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            self.content = {}
        except (ValueError, TypeError):
            raise InputError("--state", f"{self.path} is not a file of `receiver listen`") from None

    def cursor(self, key: str) -> int | None:
        """Return the cursor, None before the first start."""
        found = self.content.get("cursors", {}).get(key)
        return None if found is None else int(found)

    def put_cursor(self, key: str, cursor: int) -> None:
        self.content.setdefault("cursors", {})[key] = cursor
        self._write()

    def secret(self) -> str:
        """Return the secret of this file, a new one at the first start."""
        if "secret" not in self.content:
            self.content["secret"] = signing.new_secret()
            self._write()
        return str(self.content["secret"])

    def _write(self) -> None:
        part = self.path.with_name(f"{self.path.name}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self.content, file, indent=2)
        part.replace(self.path)


@dataclass(frozen=True, slots=True)
class _Listening:
    """What is forwarded from where to where."""

    source: _Source
    target: str
    name: str | None
    state: _State
    secret: str | None

    async def run(self, after: int | None, resend: str | None) -> bool:
        """Forward until ^C; or resend one event, and return whether it was delivered."""
        client = FeedClient(self.source.url, self.source.token)
        async with client.connected():
            details = await client.subscription(self.name) if self.name else None
            subscription = str(details["id"]) if details else None
            forwarder = Forwarder(self.target, details, lambda: self._secrets(subscription))
            async with forwarder.connected():
                if resend:
                    event = await client.event(resend)
                    result = await forwarder.send(event, is_resent=True)
                    STDOUT.print(_line(event, result, None), highlight=False, markup=False)
                    return result.attempt is None or result.attempt.kind == "delivered"
                cursor = await self._start(client, after)
                if not (self.secret or self._stored_secrets(subscription)):
                    STDERR.print(f"They are signed with {self.state.secret()}", highlight=False)
                await self._follow(client, forwarder, cursor)
        return True

    async def _start(self, client: FeedClient, after: int | None) -> int:
        """Return the cursor to begin after, and print where events go."""
        newest, stored = await client.newest(), self.state.cursor(self._key)
        cursor = after if after is not None else newest if stored is None else min(stored, newest)
        only = f" of '{self.name}'" if self.name else ""
        STDERR.print(
            f"Outcomes{only} from {self.source.url} go to {self.target}; Ctrl-C stops.", highlight=False
        )
        return cursor

    async def _follow(self, client: FeedClient, forwarder: Forwarder, cursor: int) -> None:
        """Forward what follows the cursor. Connect again after every end of the connection."""
        pause_s = 0.0
        while True:
            self.state.put_cursor(self._key, cursor)
            try:
                async for seq, event in client.follow(cursor):
                    if forwarder.accepts(event):
                        await _deliver(forwarder, event)
                    cursor, pause_s = seq, 0.0
                    self.state.put_cursor(self._key, cursor)
                problem = "the connection has ended"
            except httpx2.HTTPError as error:
                problem = _problem(error)
            pause_s = _longer(pause_s)
            STDERR.print(f"{self.source.url}: {problem}; again in {pause_s:.0f} s", highlight=False)
            await asyncio.sleep(pause_s)

    @property
    def _key(self) -> str:
        return f"{self.source.url} {self.name or '*'} {self.target}"

    def _secrets(self, subscription: str | None) -> Sequence[str]:
        """Return the secrets that sign now: the given one, or those of the subscription, or our own."""
        if self.secret:
            return (self.secret,)
        return self._stored_secrets(subscription) or (self.state.secret(),)

    def _stored_secrets(self, subscription: str | None) -> Sequence[str]:
        """Return the secrets of the subscription from the store of `receiver dev`, if it is there."""
        if not (subscription and self.source.config):
            return ()
        with open_store(load_settings(self.source.config).store) as store, store.snapshot() as connection:
            rows = subscription_sql.find(connection, subscription)
        now = WallClock().now()
        return Subscription.from_row(rows[0]).signing_secrets(now) if len(rows) == 1 else ()


async def _deliver(forwarder: Forwarder, event: Event) -> None:
    """Send an event until it is delivered, or is answered badly too often. Print a line for each attempt."""
    answered, pause_s = 0, 0.0
    while True:
        result = await forwarder.send(event)
        answered += result.error is None
        is_over = result.attempt is None or result.attempt.kind != "failed" or answered >= _ATTEMPTS
        pause_s = (
            _longer(pause_s) if result.attempt is None else max(_longer(pause_s), result.attempt.pause_s)
        )
        STDOUT.print(_line(event, result, None if is_over else pause_s), highlight=False, markup=False)
        if is_over:
            return
        await asyncio.sleep(pause_s)


def _longer(pause_s: float) -> float:
    """Return the pause after the next failure in a row: 1, 2, 4, 8, then 15 s."""
    return min(max(1.0, 2 * pause_s), _LONGEST_PAUSE_S)


def _line(event: Event, result: ForwardResult, pause_s: float | None) -> str:
    """Return an attempt as a line. `pause_s`: until the next attempt, None: there is none."""
    attempt, took = result.attempt, f"in {1000 * result.took_s:.0f} ms"
    if attempt is None:
        outcome = "not sent: its format leaves it out"
    elif result.error is not None:
        outcome = _problem(result.error)
    else:
        answer = attempt.response.status if attempt.response else attempt.problem
        outcome = f"{answer} {took}"
    again = f"; again in {pause_s:.0f} s" if pause_s is not None else ""
    return f"{event_line(event)} → {outcome}{again}  {event['id']}"


def _problem(error: Exception) -> str:
    """Return why there was no good answer."""
    if isinstance(error, httpx2.HTTPStatusError):
        return f"it answered {error.response.status_code}"
    return cause_of(error)
