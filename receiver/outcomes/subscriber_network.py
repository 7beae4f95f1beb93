"""The way to subscribers, for handlers: a service of the API's context."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from httpx2 import AsyncBaseTransport


@dataclass(frozen=True, slots=True)
class SubscriberNetwork:
    """The way to subscribers. `open_transport`: opens it, slowly. `allowed`: private networks that
    their URLs may use, in CIDR notation; None: URLs are not checked, since the network is not a real one.
    """

    open_transport: "Callable[[], AsyncBaseTransport]"
    allowed: tuple[str, ...] | None = None
