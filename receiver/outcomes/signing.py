"""Signatures of Standard Webhooks 1.0.0: `v1` with a shared secret, `v1a` with a private key."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from receiver.errors import ErrorKind, InputError

SHARED, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
_MIN, _MAX = 24, 64
"""Bytes of a shared secret."""


def new_secret() -> str:
    """Return a shared secret of 32 random bytes."""
    return SHARED + base64.b64encode(secrets.token_bytes(32)).decode()


def new_private_key() -> str:
    """Return a new private key for `v1a`."""
    return PRIVATE + base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def public_key(private_key: str) -> str:
    """Return the public key that verifies `v1a` signatures."""
    return PUBLIC + base64.b64encode(_private(private_key).public_key().public_bytes_raw()).decode()


def check_secret(secret: str) -> None:
    """Raise InputError if this is neither a shared secret nor a private key."""
    prefix = next((prefix for prefix in (SHARED, PRIVATE) if secret.startswith(prefix)), None)
    try:
        key = base64.b64decode(secret.removeprefix(prefix or ""), validate=True)
    except ValueError:
        key = b""
    fits = _MIN <= len(key) <= _MAX if prefix == SHARED else len(key) == 32
    if prefix is None or not fits:
        raise InputError(
            "secret",
            "use whsec_ with 24 to 64 bytes in base64, or whsk_ with an ed25519 private key",
            ErrorKind("secret"),
        )


def headers(message_id: str, timestamp: int, body: bytes, keys: Iterable[str]) -> dict[str, str]:
    """Return the three headers of a signed delivery. `webhook-signature` has a signature for each key."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(key, signed) for key in keys),
    }


def _signature(key: str, signed: bytes) -> str:
    if key.startswith(PRIVATE):
        return "v1a," + base64.b64encode(_private(key).sign(signed)).decode()
    digest = hmac.digest(_shared(key), signed, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


@lru_cache(maxsize=256)
def _shared(key: str) -> bytes:
    return base64.b64decode(key.removeprefix(SHARED))


@lru_cache(maxsize=256)
def _private(key: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(key.removeprefix(PRIVATE)))
