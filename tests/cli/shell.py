"""A folder with settings and a store, and commands run in it as `receiver` runs them, in this process."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import structlog

from receiver.cli import main
from receiver.domain.hooks import HookKey, HookSigner

KEY, SECRET = "k" * 40, "an-application-secret"
SIGNER = HookSigner((HookKey("k1", KEY),))
ROOT = "https://hooks.example"
SPEED = 50.0
"""Retries wait so many times shorter; the emulator's time runs as fast."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document and nothing else."""
        return json.loads(self.out)

    @property
    def widest(self) -> int:
        return max(len(line) for line in self.out.splitlines())


@dataclass(frozen=True)
class Shell:
    """`scheduler`: the root of the scheduler that the account `main` is at."""

    folder: Path
    scheduler: str

    @property
    def store(self) -> Path:
        return self.folder / "receiver.db"

    @property
    def config(self) -> Path:
        return self.folder / "receiver.toml"

    def configure(self, **changes: Any) -> None:
        """Write the settings file. `changes`: TOML values by the names used here."""
        given = {
            "store": f'"{self.store}"',
            "secret": f'"{SECRET}"',
            "key": f'"{KEY}"',
            "origin": "0.0",
        } | changes
        self.config.write_text(
            f"""public_url = "{ROOT}"
store = {given["store"]}
clock_speed = {SPEED}
clock_origin = {given["origin"]}
hook_keys = [{{ name = "k1", secret = {given["key"]} }}]
[accounts.main]
base_url = "{self.scheduler}/api/ver1.0"
client_id = "10001"
oauth_client_id = "app"
oauth_client_secret = {given["secret"]}
timeout_s = 500
"""
        )

    def run(self, *arguments: str) -> Said:
        """One command, from its arguments to its exit status."""
        out, err, status = StringIO(), StringIO(), 0
        with _own_logs(), redirect_stdout(out), redirect_stderr(err):
            before, sys.argv = sys.argv, ["receiver", *arguments]
            try:
                main()
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else 0
            finally:
                sys.argv = before
        return Said(status, *(_COLOUR.sub("", text.getvalue()) for text in (out, err)))

    def ask(self, *arguments: str) -> Any:
        """The JSON of a command that must do well."""
        said = self.run(*arguments, "--json")
        assert said.status == 0, said
        return said.json

    def refused(self, *arguments: str) -> str:
        """The error text of a command that could not be done."""
        said = self.run(*arguments)
        assert (said.status, said.out) == (2, ""), said
        assert "Traceback" not in said.err
        return " ".join(said.err.replace("│", " ").split())

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)


@contextmanager
def _own_logs() -> Iterator[None]:
    """Commands set up logging for their process, which here is everybody's."""
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**config)
