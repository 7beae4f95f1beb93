"""`receiver urls`: hook URLs for tasks that are created elsewhere."""

from typing import Annotated

import typer

from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, print_json
from receiver.domain.hooks import HookSigner, fixed_urls, mint_urls, new_ref
from receiver.errors import InputError
from receiver.settings.settings import Settings, load_settings

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


@urls_app.command("fixed")
def fixed(
    account: Annotated[str, typer.Option(help="The account whose tasks they are for.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the four fixed URLs of an account, for tasks that get no URLs of their own."""
    settings = load_settings(config)
    require_account(settings, account)
    chosen = settings.accounts[account]
    addresses = list(chosen.fixed_addresses)
    if chosen.fixed_secret is None and not addresses:
        raise InputError(
            "account", f"'{account}' has neither fixed_secret nor fixed_addresses: set one of them"
        )
    secret = chosen.fixed_secret.get_secret_value() if chosen.fixed_secret else None
    urls = fixed_urls(settings.hook_root, account, secret)
    if as_json:
        print_json({**urls, "addresses": addresses})
        return
    for name, value in urls.items():
        STDOUT.print(f"{name:<18}{value}", markup=False, highlight=False)
    if secret is None:
        hint = f"They hold no secret: they work from {', '.join(addresses)} only."
        if not settings.trusted_proxies:
            hint += " If a proxy is in front of the receiver, name it in trusted_proxies."
        STDERR.print(hint, markup=False, highlight=False)
    elif addresses:
        hint = f"Without the secret at their end they work from {', '.join(addresses)}."
        STDERR.print(hint, markup=False, highlight=False)


def require_account(settings: Settings, account: str) -> None:
    """Raises InputError for an account that the settings do not name."""
    if account not in settings.accounts:
        raise InputError(
            "account", f"'{account}' is not in the settings; known are {', '.join(settings.accounts)}"
        )
