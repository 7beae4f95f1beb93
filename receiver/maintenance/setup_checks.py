"""Checks of what is set up, of the store and its machine: quick ones, without the network."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from sqlalchemy import Connection

from receiver.analytics.rollups import count_uncounted, rollup_calendar
from receiver.storage.engine import Store

Verdict = Literal["ok", "warning", "failed"]

_LEAST_FREE_BYTES = 500 * 2**20


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check. `detail`: what was found and, if it is not ok, what to do."""

    subject: str
    verdict: Verdict
    detail: str


def quick_checks(store: Store, connection: Connection, hook_root: str, zone: str) -> Iterator[CheckResult]:
    """Check the store, its disk and the address of hooks. `zone`: of days, in the settings."""
    yield check_public_url(hook_root)
    yield check_rollups(connection, zone)
    if not store.is_shared:
        yield check_disk(store.path.resolve().parent)


def check_rollups(connection: Connection, zone: str) -> CheckResult:
    """Check that all tasks are counted, by days of the zone in the settings."""
    calendar, uncounted = rollup_calendar(connection), count_uncounted(connection)
    problems = [f"{uncounted} tasks are not counted"] if uncounted else []
    if calendar.calendar.name != zone or not calendar.complete:
        problems.append(f"days are counted in {calendar.calendar.name}, not in {zone}")
    if problems:
        return CheckResult("figures", "warning", f"{'; '.join(problems)}: run `receiver rebuild`")
    return CheckResult("figures", "ok", f"days are counted in {zone}")


def check_disk(folder: Path) -> CheckResult:
    """Check that the disk has space."""
    free = shutil.disk_usage(folder).free
    enough = free >= _LEAST_FREE_BYTES
    return CheckResult(
        "disk",
        "ok" if enough else "warning",
        f"{free // 2**20} MiB free" + ("" if enough else ": free some space"),
    )


def check_public_url(hook_root: str) -> CheckResult:
    """Check that hook URLs can be reached from outside, as far as their host says."""
    if _is_private(urlsplit(hook_root).hostname or ""):
        text = f"{hook_root} is not reachable from outside: set `public_url`"
        return CheckResult("public_url", "warning", text)
    return CheckResult("public_url", "ok", hook_root)


def _is_private(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost"
