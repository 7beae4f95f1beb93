"""A real PgBouncer in transaction mode in front of a PostgreSQL server."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.e2e.processes import free_port
from tests.operators.debian import find_pgbouncer

SERVER_CONNECTIONS = 4
"""Fewer than a receiver opens to the pooler, so that they do change hands."""

_START_S = 10.0

_CONFIG = """
[databases]
* = host={host} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 200
logfile = {folder}/log
"""


@contextmanager
def running_pgbouncer(folder: Path, server: str) -> Iterator[int]:
    """The port of one in front of this server, in an empty folder of its own. It is ended afterwards."""
    program, port = find_pgbouncer(), free_port()
    host = parse_qs(urlsplit(server).query)["host"][0]
    config = folder / "pgbouncer.ini"
    values = {"host": host, "port": port, "folder": folder, "connections": SERVER_CONNECTIONS}
    config.write_text(_CONFIG.format(**values))
    user = _user(folder, Path(host)) if os.geteuid() == 0 else None
    process = subprocess.Popen([program.file, "-q", config], env=program.environment, user=user)
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _user(folder: Path, server: Path) -> int:
    """Whom it runs as, since it refuses to be root: as the server, whose socket it needs. The folder becomes
    that one's.
    """
    number = server.stat().st_uid
    for path in (folder, *folder.iterdir()):
        os.chown(path, number, -1)
    for path in folder.parents:
        path.chmod(path.stat().st_mode | 0o055)
    return number


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        assert process.poll() is None, "it has ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("it does not listen")
