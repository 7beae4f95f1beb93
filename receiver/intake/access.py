"""Who may use a hook URL: whoever holds a minted token, an account's fixed secret, or a listed address."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from receiver.domain.hooks import HookPath, HookSigner

_FORWARDED = b"x-forwarded-for"

_Networks = tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True, slots=True)
class FixedAccess:
    """How an account's fixed hook URLs are opened. With neither secret nor addresses they stay shut."""

    secret: str | None = None
    addresses: tuple[str, ...] = ()


class Access:
    """Decides whether a hook request is authentic."""

    def __init__(
        self, signer: HookSigner, fixed: Mapping[str, FixedAccess], trusted_proxies: Iterable[str] = ()
    ) -> None:
        self._signer = signer
        self._secrets = {account: access.secret for account, access in fixed.items()}
        self._addresses = {account: _networks(access.addresses) for account, access in fixed.items()}
        self._proxies = _networks(trusted_proxies)

    def allows(self, path: HookPath, peer: str | None) -> bool:
        """Whether a request to `path` from the address `peer` is authentic; unknown accounts never are."""
        if path.account not in self._secrets:
            return False
        if path.ref is not None:
            return self._signer.verify(path)
        secret = self._secrets[path.account]
        if path.proof is not None:
            return secret is not None and secrets.compare_digest(secret.encode(), path.proof.encode())
        return _within(peer, self._addresses[path.account])

    def peer(self, connected: str | None, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Where the request comes from: behind proxies that we trust, the last hop that is not one of them.

        The leftmost of X-Forwarded-For is whatever the sender chose to write there.
        """
        if not self._proxies:
            return connected
        forwarded_for = ",".join([value.decode("latin-1") for name, value in headers if name == _FORWARDED])
        hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
        address = connected
        while hops and _within(address, self._proxies):
            address = hops.pop()
        return address


def _networks(texts: Iterable[str]) -> _Networks:
    return tuple(ip_network(text, strict=False) for text in texts)


def _within(address: str | None, networks: _Networks) -> bool:
    if not networks or address is None:
        return False
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)
