"""`receiver urls`: hook URLs for tasks that are created elsewhere."""

from typing import Annotated

import typer

from receiver.cli.output import STDOUT, ConfigOption, JsonOption, print_json
from receiver.domain.hooks import HookSigner, mint_urls, new_ref
from receiver.errors import InputError
from receiver.settings import Settings, load_settings

urls_app = typer.Typer(no_args_is_help=True, help="Hook URLs for tasks that are created elsewhere.")


@urls_app.command("mint")
def mint(
    account: Annotated[str, typer.Option(help="The account whose task it will be.")],
    ref: Annotated[
        str | None, typer.Option(help="Our name of the task; a random one if none is given.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mint the four URLs of one task. Put them into the task when you create it at the scheduler."""
    settings = load_settings(config)
    require_account(settings, account)
    urls = mint_urls(HookSigner(settings.signing_keys), settings.hook_root, account, ref or new_ref())
    if as_json:
        print_json(urls)
    else:
        for name, value in urls.items():  # no table: a folded URL could not be copied
            STDOUT.print(f"{name:<18}{value}", markup=False, highlight=False)


def require_account(settings: Settings, account: str) -> None:
    """Raises InputError for an account that the settings do not name."""
    if account not in settings.accounts:
        raise InputError(
            "account", f"'{account}' is not in the settings; known are {', '.join(settings.accounts)}"
        )
