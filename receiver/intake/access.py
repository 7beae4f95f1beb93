"""Who may use a hook URL: whoever holds a minted token, an account's fixed secret, or a listed address."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from receiver.domain.facts import EVENTS
from receiver.domain.hooks import HookPath, HookSigner, Part, without_pasted
from receiver.inbox.refused import Refused

_FORWARDED = b"x-forwarded-for"

_SECRET_LENGTH = 16
"""Characters that a secret has at least, also without what may be pasted along with it."""

_Networks = tuple[IPv4Network | IPv6Network, ...]
_Address = IPv4Address | IPv6Address


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
        self._secrets = {account: _forms(access.secret) for account, access in fixed.items()}
        self._addresses = {account: _networks(access.addresses) for account, access in fixed.items()}
        self._proxies = _networks(trusted_proxies)

    def refuses(self, path: HookPath, peer: str | None) -> Part | None:
        """What does not fit of a request to `path` from the address `peer`; None where it is authentic."""
        if path.account not in self._secrets:
            return "account"
        if path.ref is not None:
            if self._signer.verify(path):
                return None
            return "mac" if self._signer.knows_key(path) else "key"
        if path.proof is not None:
            proof = path.proof.encode()
            known = [secrets.compare_digest(form, proof) for form in self._secrets[path.account]]
            return None if any(known) else "secret"
        address = _read(peer) if peer else None
        return None if _within(address, self._addresses[path.account]) else "address"

    def describe(self, part: Part, path: str, peer: str | None) -> Refused:
        """What may be told of a refused request. `part`: what did not fit, where the path could be read."""
        root, account, event, *_ = [*path.strip("/").split("/"), "", "", ""]
        if root != "hooks" or not account:
            return Refused(part, peer=peer)
        if account not in self._secrets:
            return Refused("account", peer=peer)
        if event not in EVENTS:
            return Refused("event" if event else part, account, peer=peer)
        return Refused(part, account, event, peer)

    def peer(self, connected: str | None, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Where the request comes from: behind proxies that we trust, the last hop that is not one of them;
        None where a proxy that we trust does not name it by an address.

        The leftmost of X-Forwarded-For is whatever the sender chose to write there.
        """
        if not self._proxies:
            return connected
        forwarded_for = ",".join([value.decode("latin-1") for name, value in headers if name == _FORWARDED])
        hops = [hop for hop in forwarded_for.split(",") if hop and not hop.isspace()]
        address, name = (_read(connected) if connected else None), connected
        while hops and _within(address, self._proxies):
            name = _bare(hops.pop())
            address = _read(name)
            if address is None:
                return None
        return name


def _networks(texts: Iterable[str]) -> _Networks:
    return tuple(ip_network(text, strict=False) for text in texts)


def _forms(secret: str | None) -> tuple[bytes, ...]:
    """A secret as it is set, and as it is without what is pasted along with it."""
    if secret is None:
        return ()
    pasted = without_pasted(secret)
    return tuple(
        {secret.encode(): None, (pasted if len(pasted) >= _SECRET_LENGTH else secret).encode(): None}
    )


def _bare(hop: str) -> str:
    """An address without quotation marks, brackets and port: `"[2001:db8::1]:4711"`, `192.0.2.7:4711`."""
    text = hop.strip(" \t\"'")
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _read(address: str) -> _Address | None:
    """The address; None for a text that is none."""
    try:
        return ip_address(address)
    except ValueError:
        return None


def _within(address: _Address | None, networks: _Networks) -> bool:
    if not networks or address is None:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)
