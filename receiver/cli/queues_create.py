"""`receiver queues create`."""

import asyncio
from typing import Annotated

import typer

from receiver.app import Receiver
from receiver.cli.output import STDOUT, ConfigOption, JsonOption, print_json
from receiver.cli.urls import require_account
from receiver.domain.facts import queue_fact
from receiver.reconcile.facts_from_api import queue_snapshot
from receiver.scheduler.wire import NewQueue, QueueRecord
from receiver.server import machine_environment
from receiver.settings.settings import Settings, load_settings


def create(
    name: Annotated[str, typer.Argument(help="Name of the new queue.")],
    *,
    account: Annotated[str, typer.Option(help="Account of the queue.")],
    limit: Annotated[int | None, typer.Option(help="Maximum number of tasks dialled at once.", min=1)] = None,
    on: Annotated[bool, typer.Option("--on/--off", help="Whether its tasks are dialled.")] = True,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a queue at the scheduler. If its answer is lost, check with `list` before you try again."""
    settings = load_settings(config)
    require_account(settings, account)
    new = NewQueue(name=name, status="on" if on else "off", concurrent_task_limit=limit)
    queue = asyncio.run(_create(settings, account, new))
    if as_json:
        print_json({"account": account, "queue_id": queue.id, "name": queue.name, "status": queue.status})
    else:
        STDOUT.print(f"Queue {queue.id} ({queue.name}) is {queue.status}.", markup=False, highlight=False)


async def _create(settings: Settings, account: str, new: NewQueue) -> QueueRecord:
    receiver = Receiver(settings, machine_environment(settings))
    context = receiver.contexts[account]
    async with receiver.recording():
        record = await context.client.create_queue(new)
        await context.ledger.record([queue_fact(account, context.clock.now(), queue_snapshot(record))])
    return record
