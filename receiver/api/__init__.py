"""The /v1 API: everything that is known, for programs; and hook URLs minted for new tasks."""

from receiver.api.parts import ApiParts
from receiver.api.routes import api_routes

__all__ = ["ApiParts", "api_routes"]
