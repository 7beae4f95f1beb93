"""`receiver urls`: hook URLs for tasks that are created elsewhere."""

from typing import Annotated

import typer

from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, print_json
from receiver.domain.hooks import HookSigner, fixed_urls, mint_urls, new_ref
from receiver.domain.suggestions import unknown_name
from receiver.errors import InputError
from receiver.settings.settings import Settings, load_settings

urls_app = typer.Typer(no_args_is_help=True, help="Hook URLs for tasks that you create elsewhere.")


@urls_app.command("mint")
def mint(
    account: Annotated[str, typer.Option(help="Account of the task.")],
    ref: Annotated[str | None, typer.Option(help="Your ref of the task. Default: a random one.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mint the four hook URLs of one task, for its creation at the scheduler."""
    settings = load_settings(config)
    require_account(settings, account)
    urls = mint_urls(HookSigner(settings.signing_keys), settings.hook_root, account, ref or new_ref())
    if as_json:
        print_json(urls)
    else:
        for name, value in urls.items():  # not a table: a wrapped URL could not be copied
            STDOUT.print(f"{name:<18}{value}", markup=False, highlight=False)


@urls_app.command("fixed")
def fixed(
    account: Annotated[str, typer.Option(help="Account of the tasks.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the four fixed hook URLs of an account, for tasks without minted URLs."""
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
        hint = f"They contain no secret and work only from {', '.join(addresses)}."
        if not settings.trusted_proxies:
            hint += " If the receiver is behind a proxy, add the proxy to trusted_proxies."
        STDERR.print(hint, markup=False, highlight=False)
    elif addresses:
        hint = f"Without the secret at the end they work from {', '.join(addresses)}."
        STDERR.print(hint, markup=False, highlight=False)


def require_account(settings: Settings, account: str) -> None:
    """Raise InputError if the settings have no such account."""
    if account not in settings.accounts:
        raise InputError("account", unknown_name("account", account[:60], settings.accounts))
