"""`receiver dev`: everything that a developer without an account needs, in one command."""

import asyncio
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
import uvloop

from receiver.cli.event_lines import event_line
from receiver.cli.output import STDERR, STDOUT
from receiver.console.sign_in.links import make_local_link
from receiver.demo.dev import Development, DevOptions, development
from receiver.demo.dev_folder import SETTINGS, TOKEN
from receiver.domain.periods import AGES, read_age
from receiver.errors import InputError
from receiver.observability.logs import configure_logs
from receiver.outcomes.feed import last_seq, read_feed, view
from receiver.outcomes.params import OutcomeQuery

_LOOK_S, _BATCH = 0.3, 100


def dev(
    *,
    folder: Annotated[Path, typer.Option(help="Folder for settings, store and token.")] = Path(
        "receiver-dev"
    ),
    tasks: Annotated[
        int | None, typer.Option(help="Create this many tasks, all at once or one `--every`.", min=1)
    ] = None,
    every: Annotated[
        str | None, typer.Option(help="Create a task every 10s, 5min or 1h, without end or up to `--tasks`.")
    ] = None,
    answer_rate: Annotated[
        float, typer.Option(help="Probability that a dialed number answers.", min=0, max=1)
    ] = 0.8,
    faults: Annotated[
        Literal["none", "light", "heavy"],
        typer.Option(help="Amount of faults: lost, duplicate and late hooks, API errors."),
    ] = "none",
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not print outcomes.")] = False,
) -> None:
    """Run an emulated scheduler and a receiver for it, and print what to do next.

    Deliveries to this machine are allowed. The folder keeps everything: the next start goes on with it.
    Ctrl-C stops.
    """
    configure_logs("console", "warning")
    every_s = _seconds(every) if every else 0.0
    options = DevOptions(folder, faults, answer_rate, tasks if tasks or every else 0, every_s)
    with suppress(asyncio.CancelledError), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_dev(options, quiet))
    STDERR.print(f"\nStopped. `receiver dev --folder {folder}` goes on with it.", highlight=False)


def _seconds(text: str) -> float:
    """Return the seconds of a length of time. Raises InputError."""
    seconds = read_age(text)
    if not seconds:
        raise InputError("--every", f"not a length of time: {text[:40]!r}; use {AGES}")
    return seconds


async def _dev(options: DevOptions, quiet: bool) -> None:
    async with development(options) as running:
        _print_start(running, await _link(running))
        async with asyncio.TaskGroup() as group:
            group.create_task(running.create_tasks())
            if not quiet:
                group.create_task(_print_outcomes(running))
            await asyncio.wait([running.serving])  # which goes on if this task is canceled
            running.serving.result()


async def _print_outcomes(running: Development) -> None:
    """Print outcomes as they are published."""
    store = running.receiver.store
    after = await store.read(last_seq)
    while True:
        batch = partial(read_feed, query=OutcomeQuery(), after=after, limit=_BATCH)
        for row in await store.read(batch):
            after = row.seq
            STDOUT.print(event_line(view(row, numbers=False).model_dump(mode="json")), highlight=False)
        await asyncio.sleep(_LOOK_S)


async def _link(running: Development) -> str:
    """Return a link that signs in to the console once."""
    root, now = running.receiver.settings.console_url, time.time()
    return await running.receiver.store.write(partial(make_local_link, root=root, user="dev", now=now))


def _print_start(running: Development, link: str) -> None:
    settings, folder = running.receiver.settings, running.options.folder
    account = settings.accounts[running.account]
    api = f"http://{settings.api.host}:{settings.api.port}"
    token = f"$(cat {folder / TOKEN})"
    lines = (
        f"`receiver dev` is running. {folder} keeps everything; Ctrl-C stops.",
        "",
        f"  hooks      {settings.hook_root}/hooks/",
        f"  API        {api}/v1    manual: {api}/docs",
        f"  console    {link}",
        f"  scheduler  {account.base_url}    account {running.account}, queue {running.queue_id}",
        f"  token      {running.token}",
        "",
        "In another terminal, in this folder:",
        "",
        f"  export RECEIVER_CONFIG={folder / SETTINGS}",
        "",
        "  # Deliver outcomes to your CRM; the secret that this prints verifies them:",
        '  receiver subscriptions add "my CRM" http://localhost:3000/hook',
        "  # Or forward them while you develop, with a line for each:",
        "  receiver listen --forward http://localhost:3000/hook",
        "  # Create tasks, from a file with the columns a_number and b_number:",
        f"  receiver tasks add tasks.csv --account {running.account} --queue {running.queue_id}",
        "  # Look:",
        "  receiver tasks list",
        f'  curl -H "Authorization: Bearer {token}" {api}/v1/tasks',
        "",
    )
    STDERR.print("\n".join(lines), markup=False, highlight=False)
