"""`receiver check`: a doctor for settings, store, API credentials, reachability and clock."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import httpx2
import typer
from rich.text import Text

from receiver.analytics.rollups import count_uncounted, rollup_calendar
from receiver.app import World, open_traces, scheduler_account
from receiver.cli.checks import Check, Verdict
from receiver.cli.compatibility import fits_dashboards, fits_rules, fits_scrape
from receiver.cli.output import ConfigOption, JsonOption, print_json, print_table
from receiver.errors import NotInstalledError, SchedulerError, SchemaError, StoreUnavailableError
from receiver.maintenance.schema import create_tables
from receiver.observability.metrics import Metrics
from receiver.scheduler.client import SchedulerClient
from receiver.server import machine_world
from receiver.settings.models import AccountSettings, TracesSettings
from receiver.settings.settings import Settings, load_settings
from receiver.storage.engine import Store
from receiver.storage.postgres import is_url

_LEAST_FREE_BYTES = 500 * 2**20
_CLOCK_TOLERANCE_S = 30.0
_TIMEOUT_S = 10.0
_STYLES = {"ok": "green", "warning": "yellow", "failed": "red"}


def check(
    scrape: Annotated[
        list[str] | None,
        typer.Option(
            help="Look at a receiver's /metrics too, or at a Prometheus, and how often it scrapes receivers: "
            "a URL; may be repeated."
        ),
    ] = None,
    rules: Annotated[
        list[Path] | None, typer.Option(help="At Prometheus rules, a file or a folder.", exists=True)
    ] = None,
    dashboards: Annotated[
        list[Path] | None, typer.Option(help="At Grafana dashboards, a file or a folder.", exists=True)
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look whether everything is in place. Exits 1 if something will not work."""
    settings = load_settings(config)
    checks = [Check("settings", "ok", f"{len(settings.accounts)} account(s)"), *asyncio.run(_all(settings))]
    checks += [found for url in scrape or () for found in fits_scrape(url)]
    checks += map(fits_rules, rules or ())
    checks += map(fits_dashboards, dashboards or ())
    if as_json:
        print_json(
            [{"subject": each.subject, "verdict": each.verdict, "detail": each.detail} for each in checks]
        )
    else:
        print_table(
            "Check",
            ("subject", "verdict", "detail"),
            [(c.subject, Text(c.verdict, _STYLES[c.verdict]), c.detail) for c in checks],
        )
    if any(each.verdict == "failed" for each in checks):
        raise typer.Exit(1)


async def _all(settings: Settings) -> list[Check]:
    world = machine_world(settings)
    checks = [*_store(settings), *_public_url(settings)]
    checks += [check async for check in _reachable(settings)]
    checks += [check async for check in _traces(settings.traces)]
    for name, account in settings.accounts.items():
        checks += [check async for check in _account(name, account, world)]
    return checks


def _store(settings: Settings) -> Iterator[Check]:
    store = Store(settings.store)
    subject, is_file = f"store {store.name}", not is_url(settings.store)
    try:
        if is_file and not (folder := store.path.resolve().parent).is_dir():
            yield Check(subject, "failed", f"there is no folder {folder}: make it, or change `store`")
            return
        create_tables(store)
        sound = not is_file or _is_sound(store)
        figures = _figures(store, settings.analytics.zone)
    except StoreUnavailableError as error:
        hint = "is it writable, and is no other program holding it?" if is_file else "is it running there?"
        yield Check(subject, "failed", f"{error}: {hint}")
        return
    except SchemaError as error:
        yield Check(subject, "failed", str(error))
        return
    finally:
        store.close()
    verdict: Verdict = "ok" if sound else "failed"
    yield Check(subject, verdict, "opened, committed" if sound else "is damaged: restore a backup")
    yield figures
    if is_file:
        yield _room(folder)


def _figures(store: Store, zone: str) -> Check:
    """Whether all tasks are in the analysts' figures, by days of the zone that is set."""
    with store.snapshot() as connection:
        kept, uncounted = rollup_calendar(connection), count_uncounted(connection)
    problems = [f"{uncounted} tasks are in none"] if uncounted else []
    if kept.calendar.name != zone or not kept.complete:
        problems.append(f"days are counted in {kept.calendar.name}, not in {zone}")
    if problems:
        return Check("figures", "warning", f"{'; '.join(problems)}: run `receiver rebuild`")
    return Check("figures", "ok", f"days are counted in {zone}")


def _is_sound(store: Store) -> bool:
    with store.snapshot() as connection:
        return bool(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one() == "ok")


def _room(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    enough = free >= _LEAST_FREE_BYTES
    return Check(
        "disk", "ok" if enough else "warning", f"{free // 2**20} MiB free" + ("" if enough else ": make room")
    )


def _public_url(settings: Settings) -> Iterator[Check]:
    host = urlsplit(settings.hook_root).hostname or ""
    if _is_private(host):
        yield Check(
            "public_url", "warning", f"{settings.hook_root} cannot be reached from outside: set `public_url`"
        )
    else:
        yield Check("public_url", "ok", settings.hook_root)


def _is_private(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost"


async def _reachable(settings: Settings) -> AsyncIterator[Check]:
    url = f"{settings.hook_root}/healthz"
    try:
        async with httpx2.AsyncClient(timeout=_TIMEOUT_S) as http:
            answer = await http.get(url)
    except httpx2.HTTPError as error:
        yield Check(
            "hooks reachable",
            "warning",
            f"{type(error).__name__} at {url}: is `receiver serve` running there?",
        )
        return
    is_us = answer.status_code == 200 and answer.text == '{"status":"ok"}'
    yield Check("hooks reachable", "ok" if is_us else "warning", url if is_us else f"{url} is not a receiver")


async def _traces(settings: TracesSettings) -> AsyncIterator[Check]:
    """Nothing where none are asked for; a collector that takes none harms nobody else."""
    try:
        traces = open_traces(settings)
    except NotInstalledError as error:
        yield Check("traces", "failed", str(error))
        return
    if traces:
        is_taken = await traces.probe()
        await traces.close()
        where = (
            f"{settings.endpoint}" if is_taken else f"{settings.endpoint} takes none: is a collector there?"
        )
        yield Check("traces", "ok" if is_taken else "warning", where)


async def _account(name: str, account: AccountSettings, world: World) -> AsyncIterator[Check]:
    subject = f"account {name}"
    async with SchedulerClient(
        scheduler_account(name, account), clock=world.clock, rng=world.rng, metrics=Metrics()
    ) as client:
        try:
            queues = await client.list_queues()
        except SchedulerError as error:
            yield Check(subject, "failed", f"{error}: look at base_url, client_id and the oauth_ settings")
            return
        on = sum(1 for queue in queues if queue.is_on)
        left = f", {client.quota.remaining} API calls left" if client.quota.remaining is not None else ""
        yield Check(subject, "ok" if on else "warning", f"{len(queues)} queues, {on} of them on{left}")
    yield _clock(name, client.clock_offset)


def _clock(name: str, offset: float | None) -> Check:
    subject = f"clock of {name}"
    if offset is None:
        return Check(subject, "warning", "the scheduler's answers carry no Date: cannot compare")
    verdict: Verdict = "ok" if abs(offset) <= _CLOCK_TOLERANCE_S else "warning"
    return Check(subject, verdict, f"ours is {abs(offset):.0f} s {'ahead' if offset < 0 else 'behind'}")
