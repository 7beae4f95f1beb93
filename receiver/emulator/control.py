"""The emulator's own control plane: `GET /emulator/truth`, `/status`, `/deliveries` and `/catalogue`."""

from dataclasses import asdict
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from receiver.emulator.catalogue import CATALOGUE
from receiver.emulator.door import Parts
from receiver.emulator.truth import deliveries, status, truth


async def show(request: Request, parts: Parts) -> Response:
    """The view that the path names."""
    content: Any
    match request.path_params["view"]:
        case "truth":
            content = truth(parts.world, parts.hooks)
        case "status":
            content = status(parts.world, parts.hooks, parts.clock.now())
        case "deliveries":
            content = deliveries(parts.hooks)
        case "catalogue":
            content = {
                **CATALOGUE,
                "probabilities": asdict(parts.config.faults),
                "accounts": {number: sorted(each.quirks) for number, each in parts.world.accounts.items()},
            }
        case _:
            raise HTTPException(404)
    return JSONResponse(content)
