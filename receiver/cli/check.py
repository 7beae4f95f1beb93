"""`receiver check`: checks of settings, store, scheduler accounts, reachability and clocks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import httpx2
import typer
from rich.text import Text

from receiver.app import Environment
from receiver.cli.check_monitoring import (
    check_dashboards,
    check_rules,
    check_scrape,
)
from receiver.cli.check_subscriptions import check_subscriptions
from receiver.cli.output import ConfigOption, JsonOption, print_json, print_table
from receiver.domain.network_errors import network_problem
from receiver.errors import (
    NotInstalledError,
    SchedulerAuthError,
    SchedulerError,
    SchedulerNotFoundError,
    SchedulerRefusedError,
    SchedulerUnreachableError,
    SchemaError,
    StoreUnavailableError,
)
from receiver.maintenance.schema import create_tables
from receiver.maintenance.setup_checks import (
    CheckResult,
    Verdict,
    check_disk,
    check_public_url,
    check_rollups,
)
from receiver.observability.metrics import Metrics
from receiver.scheduler.client import SchedulerClient
from receiver.server import machine_environment
from receiver.settings.conversion import open_traces, scheduler_account
from receiver.settings.models import AccountSettings, TracesSettings
from receiver.settings.settings import Settings, load_settings
from receiver.storage.engine import Store
from receiver.storage.postgres import is_url

_CLOCK_TOLERANCE_S = 30.0
_TIMEOUT_S = 10.0
_STYLES = {"ok": "green", "warning": "yellow", "failed": "red"}


def check(
    scrape: Annotated[
        list[str] | None,
        typer.Option(
            help="Also check a receiver's /metrics, or how often a Prometheus scrapes receivers: the URL of "
            "either; repeatable."
        ),
    ] = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option(help="Also check Prometheus rules: a file or folder; repeatable.", exists=True),
    ] = None,
    dashboards: Annotated[
        list[Path] | None,
        typer.Option(help="Also check Grafana dashboards: a file or folder; repeatable.", exists=True),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check settings, store, API credentials and clocks; exit 1 if something will not work."""
    settings = load_settings(config)
    results = [
        CheckResult("settings", "ok", f"{len(settings.accounts)} account(s)"),
        *asyncio.run(_all(settings)),
    ]
    results += [result for url in scrape or () for result in check_scrape(url)]
    results += map(check_rules, rules or ())
    results += map(check_dashboards, dashboards or ())
    if as_json:
        print_json([asdict(result) for result in results])
    else:
        print_table(
            "Check",
            ("subject", "verdict", "detail"),
            [
                (result.subject, Text(result.verdict, _STYLES[result.verdict]), result.detail)
                for result in results
            ],
        )
    if any(result.verdict == "failed" for result in results):
        raise typer.Exit(1)


async def _all(settings: Settings) -> list[CheckResult]:
    environment = machine_environment(settings)
    checks = [*_store(settings), check_public_url(settings.hook_root)]
    checks += [check async for check in _reachable(settings)]
    checks += [check async for check in _traces(settings.traces)]
    for name, account in settings.accounts.items():
        checks += [check async for check in _account(name, account, environment)]
    return checks


def _store(settings: Settings) -> Iterator[CheckResult]:
    store = Store(settings.store)
    subject, is_file = f"store {store.name}", not is_url(settings.store)
    try:
        if is_file and not (folder := store.path.resolve().parent).is_dir():
            yield CheckResult(subject, "failed", f"there is no folder {folder}: create it, or change `store`")
            return
        create_tables(store)
        sound = not is_file or _is_sound(store)
        with store.snapshot() as connection:
            rollups = check_rollups(connection, settings.analytics.zone)
        subscriptions = list(check_subscriptions(store))
    except StoreUnavailableError as error:
        hint = "is it writable, and not locked by another program?" if is_file else "is it running there?"
        yield CheckResult(subject, "failed", f"{error}: {hint}")
        return
    except SchemaError as error:
        yield CheckResult(subject, "failed", str(error))
        return
    finally:
        store.close()
    verdict: Verdict = "ok" if sound else "failed"
    yield CheckResult(subject, verdict, "opened, committed" if sound else "damaged: restore a backup")
    yield rollups
    yield from subscriptions
    if is_file:
        yield check_disk(folder)


def _is_sound(store: Store) -> bool:
    with store.snapshot() as connection:
        return bool(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one() == "ok")


async def _reachable(settings: Settings) -> AsyncIterator[CheckResult]:
    url = f"{settings.hook_root}/healthz"
    try:
        async with httpx2.AsyncClient(timeout=_TIMEOUT_S) as http:
            answer = await http.get(url)
    except httpx2.HTTPError as error:
        yield CheckResult(
            "hooks reachable",
            "warning",
            f"{network_problem(error, url)}; is `receiver serve` running there?",
        )
        return
    is_us = answer.status_code == 200 and answer.text == '{"status":"ok"}'
    yield CheckResult(
        "hooks reachable", "ok" if is_us else "warning", url if is_us else f"{url} is not a receiver"
    )


async def _traces(settings: TracesSettings) -> AsyncIterator[CheckResult]:
    """Check the collector. It is never more than a warning: without it only traces are lost."""
    try:
        traces = open_traces(settings)
    except NotInstalledError as error:
        yield CheckResult("traces", "failed", str(error))
        return
    if traces:
        is_taken = await traces.probe()
        await traces.close()
        where = (
            f"{settings.endpoint}"
            if is_taken
            else f"{settings.endpoint} does not accept spans: is a collector there?"
        )
        yield CheckResult("traces", "ok" if is_taken else "warning", where)


async def _account(
    name: str, account: AccountSettings, environment: Environment
) -> AsyncIterator[CheckResult]:
    subject = f"account {name}"
    async with SchedulerClient(
        scheduler_account(name, account), clock=environment.clock, rng=environment.rng, metrics=Metrics()
    ) as client:
        try:
            queues = await client.list_queues()
        except SchedulerError as error:
            yield CheckResult(subject, "failed", f"{error}; {_advice(name, error)}")
            return
        on = sum(1 for queue in queues if queue.is_on)
        left = f", {client.quota.remaining} API calls left" if client.quota.remaining is not None else ""
        yield CheckResult(subject, "ok" if on else "warning", f"{len(queues)} queues, {on} of them on{left}")
    yield _clock(name, client.clock_offset)


def _advice(name: str, error: SchedulerError) -> str:
    """Return which settings of the account to check."""
    section = f"[accounts.{name}]"
    match error:
        case SchedulerAuthError():
            return f"check oauth_client_id, oauth_client_secret and token_url in {section}"
        case SchedulerNotFoundError():
            return f"check the path of base_url, and client_id, in {section}"
        case SchedulerUnreachableError():
            return f"check base_url and token_url in {section}"
        case SchedulerRefusedError(status=403):
            return f"the application may not read client_id in {section}: check it, and its rights"
    return f"check base_url and client_id in {section}"


def _clock(name: str, offset: float | None) -> CheckResult:
    subject = f"clock of {name}"
    if offset is None:
        return CheckResult(subject, "warning", "the scheduler's answers have no Date header to compare with")
    verdict: Verdict = "ok" if abs(offset) <= _CLOCK_TOLERANCE_S else "warning"
    return CheckResult(subject, verdict, f"ours is {abs(offset):.0f} s {'ahead' if offset < 0 else 'behind'}")
