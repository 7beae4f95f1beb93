"""Authentication of hooks: by a minted token, an account's fixed secret, or a listed address."""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from receiver.domain.facts import EVENTS
from receiver.domain.hooks import HookPath, HookSigner, Part, parse_hook_path, without_pasted
from receiver.domain.proxies import TrustedProxies, is_within, to_address, to_networks
from receiver.inbox.refused import Refused

_SECRET_LENGTH = 16
"""Minimum characters of a secret, without quotation marks and white space that were pasted with it."""

_ORIGIN = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
"""What precedes the path if a sender writes the whole URL into the request line."""


@dataclass(frozen=True, slots=True)
class FixedAccess:
    """Who may use an account's fixed hook URLs. Without a secret and addresses nobody may."""

    secret: str | None = None
    addresses: tuple[str, ...] = ()


class Target(NamedTuple):
    """The target of a request. `path`: None unless it is that of a hook URL; `query`: with fields that a
    naive sender appended to the path; `peer`: the sender's address; `refused`: None if the request is
    authentic; `is_health`: whether it is that of the health check.
    """

    path: HookPath | None
    query: bytes
    peer: str | None
    refused: Refused | None = None
    is_health: bool = False


class Access:
    """Decides whether a request is authentic."""

    def __init__(
        self, signer: HookSigner, fixed: Mapping[str, FixedAccess], trusted_proxies: Iterable[str] = ()
    ) -> None:
        self._signer = signer
        self._secrets = {account: _forms(access.secret) for account, access in fixed.items()}
        self._addresses = {account: to_networks(access.addresses) for account, access in fixed.items()}
        self._proxies = TrustedProxies(trusted_proxies)

    def read_target(
        self, target: bytes, headers: Iterable[tuple[bytes, bytes]], connected: str | None
    ) -> Target:
        """Return what the target says, and whether the request is authentic. `connected`: the address at the
        other end of the connection.
        """
        if target[:1] != b"/" and (origin := _ORIGIN.match(target)):
            target = target[origin.end() :]
        path, _, query = target.partition(b"?")
        is_health = path == b"/healthz"
        # A naive sender appends its fields with `&`, or with a second `?`, whatever the URL looks like.
        path, _, appended = path.partition(b"#")[0].partition(b"&")
        if appended:
            query = b"&".join(filter(None, (appended, query)))
        text = path.decode("latin-1")
        text = unquote(text) if "%" in text else text
        peer = self._proxies.peer(connected, headers) if self._proxies else connected
        found = parse_hook_path(text)
        part = self.refuses(found, peer) if found else "path"
        if part is None:
            return Target(found, query, peer)
        if (pasted := without_pasted(text)) != text:
            found = parse_hook_path(pasted)
            if found and self.refuses(found, peer) is None:
                return Target(found, query, peer)
        return Target(found, query, peer, self.describe(part, text, peer), is_health)

    def refuses(self, path: HookPath, peer: str | None) -> Part | None:
        """Return the part that is wrong in a request to `path` from the address `peer`; None if it is
        authentic.
        """
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
        return None if is_within(to_address(peer), self._addresses[path.account]) else "address"

    def describe(self, part: Part, path: str, peer: str | None) -> Refused:
        """Return what may be recorded of a refused request. `part`: the part that is wrong."""
        root, account, event, *_ = [*path.strip("/").split("/"), "", "", ""]
        if root != "hooks" or not account:
            return Refused(part, peer=peer)
        if account not in self._secrets:
            return Refused("account", peer=peer)
        if event not in EVENTS:
            return Refused("event" if event else part, account, peer=peer)
        return Refused(part, account, event, peer)


def _forms(secret: str | None) -> tuple[bytes, ...]:
    """Return a secret as it is set, and without white space and quotation marks that were pasted with it."""
    if secret is None:
        return ()
    pasted = without_pasted(secret)
    return tuple(
        {secret.encode(): None, (pasted if len(pasted) >= _SECRET_LENGTH else secret).encode(): None}
    )
