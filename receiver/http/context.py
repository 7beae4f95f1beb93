"""What the API works with."""

import asyncio
from dataclasses import dataclass, field

from receiver.domain.fields import FieldReader
from receiver.domain.fold import Fold, fold
from receiver.domain.hooks import HookSigner
from receiver.inbox.refused import RefusalLog
from receiver.runtime.clock import Clock
from receiver.storage.engine import Store

MOST_EXPORTS = 8
"""At once."""


@dataclass(frozen=True, slots=True)
class ApiParts:
    """`public_url`: where hooks are received. `fold`: what folds one task. `fields`: reads payloads by the
    mapping of the settings. `open`: reading needs no token.
    `closing`: set once no answer may go on for long, since the server stops. `exports`: held by each.
    `refusals`: the hooks that this process refused.
    """

    store: Store
    signer: HookSigner
    public_url: str
    accounts: tuple[str, ...]
    clock: Clock
    fold: Fold = fold
    fields: FieldReader = field(default_factory=FieldReader)
    open: bool = False
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    refusals: RefusalLog = field(default_factory=RefusalLog)
    exports: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_EXPORTS))
