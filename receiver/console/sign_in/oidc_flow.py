"""One sign-in at an OpenID provider, from the first redirect to the way back. All its values follow from a
secret in a cookie: so only the browser that began can end it, and nothing is stored.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from urllib.parse import quote, unquote

_MAX_TARGET = 1500
"""Characters of the page to show afterwards: a cookie has little room."""

FLOW_S = 600.0
"""Seconds in which the user must have signed in at the provider."""


@dataclass(frozen=True, slots=True)
class Flow:
    """`target`: the page to show afterwards."""

    secret: str
    target: str

    @classmethod
    def start(cls, target: str) -> "Flow":
        """Return a new flow."""
        return cls(secrets.token_urlsafe(32), target if len(target) <= _MAX_TARGET else "")

    @classmethod
    def of_cookie(cls, cookie: str) -> "Flow | None":
        """Return the flow of a cookie, None without one."""
        secret, _, target = cookie.partition(".")
        return cls(secret, unquote(target)) if secret else None

    @property
    def cookie(self) -> str:
        return f"{self.secret}.{quote(self.target, safe='')}"

    @property
    def state(self) -> str:
        """The value that the provider sends back through the browser."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """The value that the provider's token must have."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """The value that redeems the provider's code (PKCE)."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        """The hash of the verifier."""
        return _text(hashlib.sha256(self.verifier.encode()).digest())

    def _derived(self, purpose: str) -> str:
        return _text(hmac.new(self.secret.encode(), purpose.encode(), hashlib.sha256).digest())


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
