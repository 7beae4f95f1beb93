"""What the API works with."""

from dataclasses import dataclass

from receiver.clock import Clock
from receiver.domain.hooks import HookSigner
from receiver.store.engine import Store


@dataclass(frozen=True, slots=True)
class ApiParts:
    """`public_url`: where hooks are received. `open`: reading needs no token."""

    store: Store
    signer: HookSigner
    public_url: str
    accounts: tuple[str, ...]
    clock: Clock
    open: bool = False
