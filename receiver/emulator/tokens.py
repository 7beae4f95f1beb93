"""OAuth tokens: issued for client credentials, and resolved to accounts."""

from collections.abc import Sequence
from hmac import compare_digest
from typing import Literal

from receiver.emulator.config import AccountConfig
from receiver.emulator.rng import rng_for

OAuthError = Literal["unsupported_grant_type", "invalid_client", "invalid_grant"]


class Tokens:
    """Valid tokens. `ttl`: seconds."""

    def __init__(self, accounts: Sequence[AccountConfig], seed: int, ttl: float) -> None:
        self._accounts = {account.client_id: account for account in accounts}
        self._seed = seed
        self._ttl = ttl
        self._issued = 0
        self._live: dict[str, tuple[str, float]] = {}
        self._owners: dict[str, str] = {}

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
        self._live = {token: entry for token, entry in self._live.items() if now < entry[1]}
        self._issued += 1
        token = f"{rng_for(self._seed, 'token', client_id, self._issued).getrandbits(160):040x}"
        self._owners[token] = self._accounts[client_id].number
        self._live[token] = (self._owners[token], now + self._ttl)
        return token

    def account_of(self, token: str, now: float) -> str | None:
        """Return the number of the account of a valid token, else None."""
        number, expires_at = self._live.get(token, ("", 0.0))
        return number if now < expires_at else None

    def owner_of(self, token: str) -> str | None:
        """Return the number of the account of a token, valid or not."""
        return self._owners.get(token)

    def number_of(self, client_id: str) -> str:
        """Return the number of the account of a known application."""
        return self._accounts[client_id].number

    def revoke(self, token: str) -> None:
        self._live.pop(token, None)
