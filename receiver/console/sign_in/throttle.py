"""Waits after failed sign-ins, by user and by address. They are stored: a restart or a second process does
not forget them.
"""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, update

from receiver.console.sign_in.tables import SIGN_IN_COUNT
from receiver.console.sign_in.users import user_name
from receiver.domain.proxies import to_address
from receiver.http.tokens import hash_secret
from receiver.storage.bulk import write

_FORGET_S = 86_400.0
"""Seconds after the last failure until failures are forgotten."""

_KNOWN_S = 30 * 86_400.0
"""Seconds after a successful sign-in for which failures elsewhere do not delay the user at this address."""

_IPV6_PREFIX = 64
"""Bits of an IPv6 address that name a network: one user has all addresses of it."""


class Limit(NamedTuple):
    """`free`: failures without a wait. Then the wait doubles from one second up to `longest_s`."""

    free: int
    longest_s: float

    def wait_s(self, failures: int) -> float:
        """Return the seconds after the last failure until the next attempt."""
        over = failures - self.free
        return 0.0 if over < 0 else min(2.0 ** min(over, 30), self.longest_s)


LIMITS = {"address": Limit(20, 60.0), "pair": Limit(5, 900.0), "user": Limit(20, 60.0)}
"""What is counted → its limit. `pair`: a user at an address. The waits of a user and of an address, which
others can cause, are short, so that nobody is locked out.
"""


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """A sign-in that is tried: `keys` is what is counted → the key of its row."""

    keys: dict[str, str]

    @classmethod
    def of(cls, name: str | None, address: str) -> "SignInAttempt":
        """Return the attempt of a user, or of a token without a name, at an address."""
        network = _network(address)
        texts = {"address": network}
        if name is not None:
            texts |= {"pair": f"{user_name(name)} {network}", "user": user_name(name)}
        return cls({kind: hash_secret(f"{kind} {text}") for kind, text in texts.items()})


def begin(connection: Connection, attempt: SignInAttempt, now: float) -> float:
    """Count the attempt as failed, before it is checked, so that attempts at the same time do not pass.
    Return 0; or the seconds to wait, and count nothing.
    """
    connection.execute(delete(SIGN_IN_COUNT).where(_is_old(now)))
    keys = sorted(attempt.keys.values())
    rows = [{"key": key, "failures": 0, "at": now} for key in keys]
    write(connection, SIGN_IN_COUNT, "once", rows)
    is_ours = SIGN_IN_COUNT.c.key.in_(keys)
    locked = select(SIGN_IN_COUNT).where(is_ours).order_by(SIGN_IN_COUNT.c.key).with_for_update()
    found = {row.key: row for row in connection.execute(locked)}
    pair = found.get(attempt.keys.get("pair", ""))
    is_known = pair is not None and (pair.succeeded_at or 0.0) > now - _KNOWN_S
    waits = [
        found[key].at + LIMITS[kind].wait_s(found[key].failures) - now
        for kind, key in attempt.keys.items()
        if found[key].failures and not (kind == "user" and is_known)
    ]
    if (wait := max(waits, default=0.0)) > 0:
        return wait
    counted = {"failures": SIGN_IN_COUNT.c.failures + 1, "at": now}
    connection.execute(update(SIGN_IN_COUNT).where(is_ours).values(**counted))
    return 0.0


def succeed(connection: Connection, attempt: SignInAttempt, now: float) -> None:
    """Take the count of the attempt back, and forget the failures of the user. Those of the address stay: who
    has one password must not guess others without limit.
    """
    key, failures = SIGN_IN_COUNT.c.key, SIGN_IN_COUNT.c.failures
    of_user = [attempt.keys[kind] for kind in ("pair", "user") if kind in attempt.keys]
    connection.execute(
        update(SIGN_IN_COUNT)
        .where(key == attempt.keys["address"], failures > 0)
        .values(failures=failures - 1)
    )
    connection.execute(
        update(SIGN_IN_COUNT).where(key.in_(of_user)).values(failures=0, at=now, succeeded_at=now)
    )


def _is_old(now: float) -> ColumnElement[bool]:
    succeeded = SIGN_IN_COUNT.c.succeeded_at
    is_unknown = or_(succeeded.is_(None), succeeded <= now - _KNOWN_S)
    return and_(SIGN_IN_COUNT.c.at <= now - _FORGET_S, is_unknown)


def _network(address: str) -> str:
    found = to_address(address)
    if not isinstance(found, IPv6Address) or found.ipv4_mapped:
        return address
    return str(ip_network((found, _IPV6_PREFIX), strict=False))
