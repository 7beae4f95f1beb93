"""The emulator's own control plane: `GET /emulator/truth`, `/status` and `/deliveries`."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

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
        case _:
            raise HTTPException(404)
    return JSONResponse(content)
