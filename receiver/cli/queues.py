"""`receiver queues`: the queues at the scheduler."""

import asyncio
from typing import Annotated

import typer

from receiver.app import Receiver
from receiver.cli.local_api import ask, plain, query_of
from receiver.cli.options import AccountOption
from receiver.cli.output import STDOUT, ConfigOption, JsonOption, flat, print_json, print_table, short_moment
from receiver.cli.urls import require_account
from receiver.domain.facts import queue_fact
from receiver.http.params import AccountQuery
from receiver.reconcile.facts_from_api import queue_said
from receiver.scheduler.wire import NewQueue, QueueRecord
from receiver.server import machine_world
from receiver.settings.settings import Settings, load_settings
from receiver.tasks.queue_endpoints import list_queues

queues_app = typer.Typer(no_args_is_help=True, help="Queues at the scheduler.")


@queues_app.command("list")
def list_of_queues(
    account: AccountOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Queues, how many tasks they hold by state, and when they were last read through."""
    answer = plain(ask(list_queues, query_of(AccountQuery, account=account), {}, config))
    if as_json:
        print_json(answer)
        return
    columns = ("account", "queue_id", "name", "status", "tasks", "swept_at", "sweep_error")
    rows = [queue | {"swept_at": short_moment(queue["swept_at"] or "")} for queue in answer["queues"]]
    print_table("Queues", columns, [[flat(row[column]) for column in columns] for row in rows])


@queues_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="The new queue's name.")],
    *,
    account: Annotated[str, typer.Option(help="The account whose queue it will be.")],
    limit: Annotated[int | None, typer.Option(help="So many tasks may be dialled at once.", min=1)] = None,
    on: Annotated[bool, typer.Option("--on/--off", help="Whether its tasks are dialled.")] = True,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a queue at the scheduler. If its answer gets lost, look with `list` before trying again."""
    settings = load_settings(config)
    require_account(settings, account)
    new = NewQueue(name=name, status="on" if on else "off", concurrent_task_limit=limit)
    queue = asyncio.run(_create(settings, account, new))
    if as_json:
        print_json({"account": account, "queue_id": queue.id, "name": queue.name, "status": queue.status})
    else:
        STDOUT.print(f"Queue {queue.id} ({queue.name}) is {queue.status}.", markup=False, highlight=False)


async def _create(settings: Settings, account: str, new: NewQueue) -> QueueRecord:
    receiver = Receiver(settings, machine_world(settings))
    context = receiver.contexts[account]
    async with receiver.recording():
        record = await context.client.create_queue(new)
        await context.record([queue_fact(account, context.clock.now(), queue_said(record))])
    return record
