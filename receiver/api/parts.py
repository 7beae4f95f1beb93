"""What the API works with."""

import asyncio
from dataclasses import dataclass, field

from receiver.clock import Clock
from receiver.domain.hooks import HookSigner
from receiver.store.engine import Store


@dataclass(frozen=True, slots=True)
class ApiParts:
    """`public_url`: where hooks are received. `open`: reading needs no token. `closing`: set once no answer
    may go on for long, since the server stops.
    """

    store: Store
    signer: HookSigner
    public_url: str
    accounts: tuple[str, ...]
    clock: Clock
    open: bool = False
    closing: asyncio.Event = field(default_factory=asyncio.Event)
