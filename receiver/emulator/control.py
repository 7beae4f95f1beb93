"""The emulator's own control plane: `GET /emulator/truth`, `/status`, `/deliveries` and `/catalogue`."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from receiver.emulator.api import Context
from receiver.emulator.dialects import DIALECTS
from receiver.emulator.faults import FAULTS, PROFILES
from receiver.emulator.quirks import QUIRKS
from receiver.emulator.truth import deliveries, status, truth


async def show(request: Request, context: Context) -> Response:
    """Answer with the view that the path names."""
    content: Any
    match request.path_params["view"]:
        case "truth":
            content = truth(context.world, context.hooks)
        case "status":
            content = status(context.world, context.hooks, context.clock.now())
        case "deliveries":
            content = deliveries(context.hooks)
        case "catalogue":
            content = {
                **CATALOGUE,
                "probabilities": asdict(context.config.faults),
                "accounts": {
                    number: sorted(account.quirks) for number, account in context.world.accounts.items()
                },
            }
        case _:
            raise HTTPException(404)
    return JSONResponse(content)


CATALOGUE: Mapping[str, Mapping[str, str]] = {
    "dialects": {name: dialect.about for name, dialect in DIALECTS.items()},
    "faults": FAULTS,
    "quirks": {str(name): about for name, about in QUIRKS.items()},
}
"""Group → name → description, for all that can be chosen by name."""


def catalogue_lines() -> list[str]:
    """Return the catalog as text, with the probabilities of `heavy`."""
    heavy = asdict(PROFILES["heavy"])
    lines = ["Dialects of hooks (--dialect):", *_lines("dialects")]
    lines += ["", "Faults (--fault NAME=PROBABILITY), with their probabilities in --faults heavy:"]
    lines += [f"  {name:<18} {heavy[name]:<6} {about}" for name, about in FAULTS.items()]
    lines += ["", "Quirks of accounts (--quirk); --faults heavy draws some for each account:"]
    lines += _lines("quirks")
    return lines


def _lines(group: str) -> list[str]:
    return [f"  {name:<18} {about}" for name, about in CATALOGUE[group].items()]
