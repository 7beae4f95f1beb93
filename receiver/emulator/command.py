"""The command line of the emulator, shared by `python -m receiver.emulator` and the main command."""

from typing import Annotated, Literal

import typer

from receiver.emulator.config import AccountConfig, DialectName, EmulatorConfig, ListShape
from receiver.emulator.faults import PROFILES
from receiver.emulator.server import serve

DEFAULTS = EmulatorConfig()


def _account(text: str) -> AccountConfig:
    parts = text.split(":", 2)
    if len(parts) != 3 or not all(parts):
        raise typer.BadParameter("must be NUMBER:CLIENT_ID:SECRET")
    return AccountConfig(*parts)


def emulate(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")] = 8090,
    seed: Annotated[int, typer.Option(help="Same seed, same calls and faults.")] = DEFAULTS.seed,
    dialect: Annotated[
        DialectName, typer.Option(help="Wire form of the hooks; 'mixed' draws one for each task.")
    ] = DEFAULTS.dialect,
    faults: Annotated[Literal["none", "light", "heavy"], typer.Option(help="How much goes wrong.")] = "none",
    speed: Annotated[float, typer.Option(help="Emulated seconds in a second.", min=0.001)] = DEFAULTS.speed,
    origin: Annotated[
        float | None, typer.Option(help="Epoch second where real and emulated time agree. Default: now.")
    ] = None,
    quota: Annotated[int, typer.Option(help="API calls an hour for each account.", min=0)] = DEFAULTS.quota,
    token_ttl: Annotated[
        float, typer.Option(help="Emulated seconds for which a token is good.", min=0)
    ] = DEFAULTS.token_ttl,
    account: Annotated[
        list[str] | None, typer.Option(help="NUMBER:CLIENT_ID:SECRET of an account; may be repeated.")
    ] = None,
    list_shape: Annotated[
        ListShape, typer.Option(help="Lists of tasks: a bare array, or an envelope under this key.")
    ] = DEFAULTS.list_shape,
) -> None:
    """Run a working cloud-PBX scheduler that executes tasks, fires hooks and injects faults."""
    config = EmulatorConfig(
        accounts=tuple(map(_account, account)) if account else DEFAULTS.accounts,
        seed=seed,
        dialect=dialect,
        faults=PROFILES[faults],
        speed=speed,
        origin=origin,
        token_ttl=token_ttl,
        quota=quota,
        list_shape=list_shape,
    )
    serve(config, host, port)
