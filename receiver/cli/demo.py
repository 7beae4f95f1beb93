"""`receiver demo`: a complete demonstration."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import uvloop
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import Connection

from receiver.cli.demo_report import print_arrivals, print_samples, print_wrong
from receiver.cli.output import STDERR, STDOUT, JsonOption, print_json, print_table
from receiver.console.sign_in.links import make_local_link
from receiver.demo.run import Demonstration, DemoOptions, Glance, demonstration, run_tasks
from receiver.demo.summary import is_crm_right, is_good, summarize
from receiver.emulator.config import DialectName
from receiver.errors import InputError
from receiver.http.tokens import create_token
from receiver.observability.logs import configure_logs


def demo(
    *,
    tasks: Annotated[int, typer.Option(help="Number of callback tasks.", min=1)] = 500,
    faults: Annotated[
        Literal["none", "light", "heavy"],
        typer.Option(help="Amount of faults: lost, duplicate and late hooks, API errors."),
    ] = "heavy",
    seed: Annotated[int, typer.Option(help="Random seed of tasks, calls and faults.")] = 7,
    dialect: Annotated[
        DialectName, typer.Option(help="Form of the hooks; 'mixed' draws one per task.")
    ] = "mixed",
    speed: Annotated[float, typer.Option(help="Simulated seconds per real second.", min=1)] = 30.0,
    reconcile: Annotated[
        bool, typer.Option(help="Whether to reconcile with the API. Without it some results stay unknown.")
    ] = True,
    crm_failures: Annotated[
        float,
        typer.Option(
            help="Share of first deliveries that the sample CRM answers with 500, 503 or not at all.",
            min=0,
            max=1,
        ),
    ] = 0.1,
    keep: Annotated[bool, typer.Option("--keep", help="Keep running afterwards until ^C.")] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Folder for the database. Default: a temporary folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run emulator, receiver, a sample CRM and a stream of tasks, and compare the results with the truth.

    Hooks are lost, duplicated, delayed and reordered, and the API sometimes fails. The CRM verifies
    signatures, stores each event once, and sometimes fails. Exits 0 if the receiver is right about every
    task and all outcomes arrived in order, 1 otherwise.
    """
    configure_logs("console", "error")
    with tempfile.TemporaryDirectory(prefix="receiver-demo-") as temporary:
        place = (folder or Path(temporary)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        if (place / "receiver.db").exists():
            raise InputError("--folder", "already contains a receiver.db: choose an empty folder")
        options = DemoOptions(tasks, seed, faults, dialect, speed, reconcile, crm_failures, place)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                result = runner.run(_demo(options, keep=keep, as_json=as_json))
        except asyncio.CancelledError:
            raise typer.Exit(130) from None
    if not is_good(result):
        raise typer.Exit(1)


async def _demo(options: DemoOptions, *, keep: bool, as_json: bool) -> dict[str, Any]:
    began = time.monotonic()
    async with demonstration(options) as running:
        STDERR.print(f"A sample CRM is subscribed, at {running.crm_url}", highlight=False)
        with _progress() as progress:
            await run_tasks(running, _reporter(progress, options))
        result = await summarize(running, time.monotonic() - began)
        if as_json:
            print_json(result)
        else:
            _print(result)
        if keep:
            await _stay(running)
    return result


def _progress() -> Progress:
    columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=STDERR)


def _reporter(progress: Progress, options: DemoOptions) -> Callable[[Glance], None]:
    bars = {
        "created": progress.add_task("tasks created at the scheduler", total=options.tasks),
        "hooks": progress.add_task("hooks received", total=None),
        "finished": progress.add_task("tasks that ended", total=options.tasks),
        "done": progress.add_task("tasks proven, late hooks waited for", total=options.tasks),
        "arrived": progress.add_task("outcomes arrived at the CRM", total=None),
    }

    def report(glance: Glance) -> None:
        for name, bar in bars.items():
            progress.update(bar, completed=getattr(glance, name))

    return report


def _print(result: dict[str, Any]) -> None:
    hooks, verdict, attempts = result["hooks"], result["truth"], result["attempts"]
    rows = [
        (
            "tasks run",
            result["tasks"],
            ", ".join(f"{count} {name}" for name, count in sorted(result["results"].items())),
        ),
        (
            "hooks fired",
            hooks["fired"],
            f"{hooks['dropped']} dropped on the way, {hooks['duplicated']} doubled",
        ),
        (
            "hooks late or broken",
            hooks["delayed"] + hooks["broken"],
            f"{hooks['delayed']} delayed, {hooks['broken']} broken",
        ),
        ("hooks received", hooks["received"], f"{hooks['unreadable']} could not be read, and were kept"),
        ("hooks counted as lost", hooks["lost_counted"], _events(hooks["lost_by_event"])),
        (
            "API calls",
            result["api"]["calls"],
            f"{sum(result['api']['faults'].values())} faults injected on both sides",
        ),
        (
            "attempts known",
            attempts.get("exact", 0),
            f"exactly; of {attempts.get('at_least', 0)} more a lower bound",
        ),
        ("right about", verdict["agree"], "tasks: state, result, cdr, attempts, lost hooks"),
        ("cannot know all about", verdict["not_known"], "tasks: nobody was told"),
        ("wrong about", verdict["disagree"], "tasks"),
    ]
    print_table(
        f"Demonstration, seed {result['seed']}, {result['faults']} faults", ("what", "count", ""), rows
    )
    print_wrong("Wrong", verdict["disagreements"])
    print_wrong("Nobody could know", verdict["unknown"])
    print_arrivals(result["crm"])
    if not verdict["disagree"]:
        known = result["tasks"] - verdict["not_known"]
        STDOUT.print(f"[bold green]The receiver arrived at the truth about every one of {known} tasks.")
    if is_crm_right(result["crm"]):
        STDOUT.print(
            f"[bold green]Each of {result['crm']['told']} outcomes arrived at the CRM, signed and in order."
        )
    print_samples(result["crm"]["samples"])


def _events(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {event}" for event, count in sorted(counts.items()))


async def _stay(running: Demonstration) -> None:
    """Keep running until ^C."""
    now, settings = running.receiver.environment.clock.now(), running.receiver.settings
    url = f"http://{settings.api.host}:{settings.api.port}"

    def enter(connection: Connection) -> tuple[str, str]:
        token = create_token(connection, "demo", ["read", "numbers", "mint", "subscribe"], now)
        return token, make_local_link(connection, settings.console_url, "demo", time.time())

    token, link = await running.receiver.store.write(enter)
    STDERR.print(f"\nStill running; ^C ends it.\n  {url}/docs\n  {url}/metrics")
    STDERR.print(f"  the console, signed in: {link}", highlight=False)
    STDERR.print(f"  curl -H 'Authorization: Bearer {token}' '{url}/v1/tasks?limit=3'", highlight=False)
    STDERR.print(f"  the emulator: {running.emulator_url}/emulator/truth")
    with suppress(asyncio.CancelledError):
        await asyncio.wait([running.serving])
