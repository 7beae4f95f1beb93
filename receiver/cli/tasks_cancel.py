"""`receiver tasks cancel`: delete a task at the scheduler."""

import asyncio
from typing import Annotated

import typer

from receiver.api import api_context
from receiver.app import Receiver
from receiver.cli.local_api import cli_caller, plain
from receiver.cli.output import STDOUT, ConfigOption, JsonOption, print_json
from receiver.cli.urls import require_account
from receiver.http.endpoint import Call, Params
from receiver.reconcile.endpoints import cancel as cancel_task
from receiver.reconcile.schemas import CanceledTask
from receiver.server import machine_environment
from receiver.settings.settings import Settings, load_settings


def cancel(
    account: Annotated[str, typer.Argument(help="Name of the account.")],
    task: Annotated[str, typer.Argument(help="The task: your ref, or the vendor's id.")],
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a task at the scheduler, so that nobody is called again. Subscribers get `task.gone`.

    A call that is running may go on. A task that has finished cannot be canceled.
    """
    settings = load_settings(config)
    require_account(settings, account)
    canceled = asyncio.run(_cancel(settings, account, task))
    if as_json:
        print_json(plain(canceled))
        return
    done = "is canceled" if canceled.canceled else "was gone already"
    STDOUT.print(f"Task {canceled.key} ({canceled.task_id}) {done}.", markup=False, highlight=False)


async def _cancel(settings: Settings, account: str, task: str) -> CanceledTask:
    receiver = Receiver(settings, machine_environment(settings))
    async with receiver.recording():
        path = {"account": account, "key": task}
        return await cancel_task(Call(api_context(receiver), cli_caller({"create"}), path, Params(), None))
