"""The command line of the emulator, shared by `python -m receiver.emulator` and the main command."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from receiver.emulator.config import AccountConfig, DialectName, EmulatorConfig, ListShape
from receiver.emulator.control import catalogue_lines
from receiver.emulator.faults import FAULTS, PROFILES, Faults
from receiver.emulator.quirks import QUIRKS, Quirks
from receiver.emulator.server import serve
from receiver.emulator.state import StateError

DEFAULTS = EmulatorConfig()


def _account(text: str) -> AccountConfig:
    parts = text.split(":", 2)
    if len(parts) != 3 or not all(parts):
        raise typer.BadParameter("must be NUMBER:CLIENT_ID:SECRET")
    return AccountConfig(*parts)


def with_faults(faults: Faults, named: Sequence[str]) -> Faults:
    """Return the faults with the probabilities of some replaced, as in `drop=0.5`."""
    for text in named:
        name, _, share = text.partition("=")
        if name not in FAULTS:
            raise typer.BadParameter(f"{name}: no such fault; the faults are {', '.join(FAULTS)}")
        try:
            probability = float(share)
        except ValueError:
            probability = -1.0
        if not 0 <= probability <= 1:
            raise typer.BadParameter(f"{name}: give a probability from 0 to 1, as in {name}=0.1")
        faults = replace(faults, **{name: probability})
    return faults


def _quirks(named: Sequence[str]) -> Quirks:
    for name in named:
        if name not in QUIRKS:
            raise typer.BadParameter(f"{name}: no such quirk; the quirks are {', '.join(QUIRKS)}")
    return frozenset(name for name in QUIRKS if name in named)


def _print_catalogue(wanted: bool) -> None:
    if wanted:
        typer.echo("\n".join(catalogue_lines()))
        raise typer.Exit


def emulate(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free port.")] = 8090,
    seed: Annotated[
        int, typer.Option(help="Seed of calls and faults; the same seed repeats them.")
    ] = DEFAULTS.seed,
    dialect: Annotated[
        DialectName | None,
        typer.Option(
            help="Format of the hooks; 'mixed' draws one for each task. "
            "Default: mixed with heavy faults, else task_form."
        ),
    ] = None,
    faults: Annotated[
        Literal["none", "light", "heavy"], typer.Option(help="Profile of injected faults.")
    ] = "none",
    fault: Annotated[
        list[str] | None,
        typer.Option(help=f"NAME=PROBABILITY of a fault; may be repeated. NAME: {', '.join(FAULTS)}."),
    ] = None,
    quirk: Annotated[
        list[str] | None,
        typer.Option(help=f"Quirk of all accounts; may be repeated: {', '.join(QUIRKS)}."),
    ] = None,
    speed: Annotated[float, typer.Option(help="Emulated seconds per second.", min=0.001)] = DEFAULTS.speed,
    origin: Annotated[
        float | None, typer.Option(help="Epoch second at which real and emulated time agree. Default: now.")
    ] = None,
    quota: Annotated[int, typer.Option(help="API calls per hour and account.", min=0)] = DEFAULTS.quota,
    answer_rate: Annotated[
        float | None,
        typer.Option(
            help="Probability that a dialed number answers. Default: by hour of day and number.", min=0, max=1
        ),
    ] = None,
    token_ttl: Annotated[
        float, typer.Option(help="Lifetime of tokens in emulated seconds.", min=0)
    ] = DEFAULTS.token_ttl,
    account: Annotated[
        list[str] | None, typer.Option(help="NUMBER:CLIENT_ID:SECRET of an account; may be repeated.")
    ] = None,
    list_shape: Annotated[
        ListShape,
        typer.Option(help="Form of task lists: a bare array, or an object with the tasks under this key."),
    ] = DEFAULTS.list_shape,
    state: Annotated[
        Path | None,
        typer.Option(
            help="File of the state: queues, tasks, calls and clock. An existing one is continued; changes "
            "are written each second and at the end."
        ),
    ] = None,
    catalogue: Annotated[  # noqa: ARG001 - used by its callback
        bool,
        typer.Option(
            "--catalogue",
            help="Describe the dialects, faults and quirks, and exit.",
            callback=_print_catalogue,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Run a working cloud-PBX scheduler that executes tasks, fires hooks and injects faults."""
    config = EmulatorConfig(
        accounts=tuple(map(_account, account)) if account else DEFAULTS.accounts,
        seed=seed,
        dialect=dialect or ("mixed" if faults == "heavy" else DEFAULTS.dialect),
        faults=with_faults(PROFILES[faults], fault or ()),
        quirks=_quirks(quirk or ()),
        speed=speed,
        origin=origin,
        answer_rate=answer_rate,
        token_ttl=token_ttl,
        quota=quota,
        list_shape=list_shape,
    )
    try:
        serve(config, host, port, state)
    except StateError as error:
        raise typer.BadParameter(str(error), param_hint="--state") from None
