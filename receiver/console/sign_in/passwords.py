"""Passwords: argon2id hashes, computed in few threads since each takes 64 MiB of memory."""

from functools import cache, partial

import anyio
from anyio.to_thread import run_sync
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from receiver.errors import InputError

MIN_LENGTH, MAX_LENGTH = 12, 1000
"""Characters of a password."""

_AT_ONCE = 2

_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """Return the hash of a new password. Raises InputError if it is too short or too long."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InputError("password", f"{MIN_LENGTH} to {MAX_LENGTH} characters; a few words are a good one")
    return _hasher.hash(password)


async def verify_password(password_hash: str | None, password: str) -> bool:
    """Return whether it is the password. It takes as long without a hash, so that the time does not say
    which users exist.
    """
    return await run_sync(partial(_verify, password_hash, password), limiter=_limiter())


async def renewed_hash(password_hash: str, password: str) -> str | None:
    """Return a hash by the parameters of this version; None if the hash has them already."""
    if not _hasher.check_needs_rehash(password_hash):
        return None
    return await run_sync(_hasher.hash, password, limiter=_limiter())


def _verify(password_hash: str | None, password: str) -> bool:
    try:
        return _hasher.verify(password_hash or _nobodys(), password[: MAX_LENGTH + 1]) and bool(password_hash)
    except (Argon2Error, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    """Return the hash of a password that nobody has."""
    return _hasher.hash("\0")


@cache
def _limiter() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(_AT_ONCE)
