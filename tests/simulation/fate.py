"""When the receiver dies: at any time, or at the worst one: around a commit, or within a transaction."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Literal

from sqlalchemy import Connection, event

from receiver.storage.engine import Result, Store

Moment = Literal["before", "within", "after"]

STATEMENTS = (
    "",
    "INTO inbox",
    "FROM inbox",
    "INTO delivery",
    "INTO fact",
    "INTO dirty_task",
    "FROM dirty_task",
    "COMMIT",
    "COMMIT behind INTO inbox",
    "COMMIT behind FROM inbox",
)
"""Ahead of what the receiver dies within a transaction: any statement, one with these words, or the commit of
a transaction in which there was one.
"""


_PATIENCE_S = 900.0
"""Seconds after which the receiver dies at any rate: in some worlds no hook ever comes."""


class Fate:
    """Strikes before a commit that took long to come, within a transaction, or after a commit of which its
    caller has not heard.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._wanted: Moment | None = None
        self._statement = ""
        self._left = 0
        self._kill: Callable[[], None] = lambda: None

    async def spin(self, kill: Callable[[], None]) -> None:
        """Let the receiver live for a while, then call `kill`; returns when that was done."""
        struck = asyncio.Event()

        def end() -> None:
            self._wanted = None
            kill()
            struck.set()

        wanted: Moment | None = self._rng.choice((None, "before", "before", "within", "within", "after"))
        if wanted is None:
            await asyncio.sleep(self._rng.uniform(5, 240))
            end()
        self._statement = self._rng.choice(STATEMENTS)
        self._left = self._rng.randrange(1, 12) if wanted == "within" else self._rng.randrange(3, 60)
        self._kill = end
        self._wanted = wanted
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await struck.wait()
        if not struck.is_set():
            end()

    async def meet(self, moment: Moment) -> None:
        """Called around every commit; where it ends the caller's life, the caller is cancelled in here."""
        if moment == self._wanted and self._comes():
            await asyncio.sleep(1.0 if moment == "before" else 0.0)
            self._kill()
            await asyncio.sleep(0)

    def meet_within(self, statement: str, earlier: str) -> None:
        """Called ahead of every statement of a transaction, with those before it. Raises DeathError where it
        ends the caller's life.
        """
        wanted, _, behind = self._statement.partition(" behind ")
        fits = self._wanted == "within" and wanted in statement and behind in earlier
        if fits and self._comes():
            self._kill()
            raise DeathError

    def _comes(self) -> bool:
        self._left -= 1
        return self._left == 0


class DeathError(Exception):
    """The receiver has died within a transaction, which therefore is never committed."""


class MortalStore(Store):
    """A store whose owner may die over a commit."""

    def __init__(self, path: Path, fate: Fate) -> None:
        super().__init__(path)
        self._fate = fate

        def connect(_dialect: object, _record: object, _args: object, parameters: dict[str, Any]) -> None:
            parameters["factory"] = _connection(fate)

        event.listen(self._backend.writing, "do_connect", connect)
        # The receiver dies and its machine does not: to wait for the disk would only take longer.
        event.listen(self._backend.writing, "connect", lambda new, _: new.execute("PRAGMA synchronous=OFF"))

    async def append(self, statement: str, *values: Any) -> None:
        await self._fate.meet("before")
        await super().append(statement, *values)
        await self._fate.meet("after")

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        await self._fate.meet("before")
        result = await super().write(work)
        await self._fate.meet("after")
        return result


def _connection(fate: Fate) -> type[sqlite3.Connection]:
    """A connection over whose statements fate watches."""

    class Mortal(sqlite3.Connection):
        earlier = ""

        def cursor(self, *_: Any) -> Any:
            return super().cursor(MortalCursor)

        def execute(self, statement: str, *values: Any) -> Any:
            return self.cursor().execute(statement, *values)

        def commit(self) -> None:
            if self.in_transaction:
                self.meet("COMMIT")
            super().commit()

        def meet(self, statement: str) -> None:
            if statement.startswith("BEGIN"):
                self.earlier = ""
            elif self.in_transaction:
                fate.meet_within(statement, self.earlier)
                self.earlier += statement + "\n"

    class MortalCursor(sqlite3.Cursor):
        connection: Mortal

        def execute(self, statement: str, *values: Any) -> Any:
            self.connection.meet(statement)
            return super().execute(statement, *values)

        def executemany(self, statement: str, *values: Any) -> Any:
            self.connection.meet(statement)
            return super().executemany(statement, *values)

    return Mortal
