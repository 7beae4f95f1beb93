"""OAuth tokens: issued for client credentials, and resolved to accounts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Literal

from receiver.emulator.config import AccountConfig
from receiver.emulator.rng import rng_for

OAuthError = Literal["unsupported_grant_type", "invalid_client", "invalid_grant"]


@dataclass
class IssuedTokens:
    """`live`: valid token → account number and end, epoch seconds. `owners`: any token → account number."""

    count: int = 0
    live: dict[str, tuple[str, float]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)


class Tokens:
    """Valid tokens. `ttl`: seconds."""

    def __init__(self, accounts: Sequence[AccountConfig], seed: int, ttl: float) -> None:
        self._accounts = {account.client_id: account for account in accounts}
        self._seed = seed
        self._ttl = ttl
        self.issued = IssuedTokens()

    def refusal(self, grant_type: str, client_id: str, client_secret: str) -> OAuthError | None:
        """Return the OAuth error for invalid credentials, else None."""
        if grant_type != "client_credentials":
            return "unsupported_grant_type"
        account = self._accounts.get(client_id)
        if account is None:
            return "invalid_client"
        if not compare_digest(account.client_secret.encode(), client_secret.encode()):
            return "invalid_grant"
        return None

    def issue(self, client_id: str, now: float) -> str:
        """Return a new token for the application's account. Earlier tokens stay valid."""
        self.issued.live = {token: entry for token, entry in self.issued.live.items() if now < entry[1]}
        self.issued.count += 1
        token = f"{rng_for(self._seed, 'token', client_id, self.issued.count).getrandbits(160):040x}"
        self.issued.owners[token] = self._accounts[client_id].number
        self.issued.live[token] = (self.issued.owners[token], now + self._ttl)
        return token

    def account_of(self, token: str, now: float) -> str | None:
        """Return the number of the account of a valid token, else None."""
        number, expires_at = self.issued.live.get(token, ("", 0.0))
        return number if now < expires_at else None

    def owner_of(self, token: str) -> str | None:
        """Return the number of the account of a token, valid or not."""
        return self.issued.owners.get(token)

    def number_of(self, client_id: str) -> str:
        """Return the number of the account of a known application."""
        return self._accounts[client_id].number

    def revoke(self, token: str) -> None:
        self.issued.live.pop(token, None)
