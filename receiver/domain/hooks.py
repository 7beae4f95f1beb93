"""Hook URLs: four for each task, with account, event, our ref, and a MAC of the three."""

import base64
import hashlib
import hmac
import re
import secrets
import time
from typing import Literal, get_args
from urllib.parse import quote, unquote

from receiver.domain.facts import EVENTS, Event
from receiver.domain.frozen_record import frozen_record
from receiver.errors import InputError

REF = re.compile(r"[A-Za-z0-9_-]{1,64}")
ACCOUNT = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")

Part = Literal[
    "path", "account", "event", "key", "mac", "secret", "address", "method", "head", "body", "http"
]
"""A part of a hook request that can be wrong."""

PARTS: tuple[Part, ...] = get_args(Part)

_EVENT: dict[str, Event] = {event: event for event in EVENTS}

_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_TRAILING = "\"'<>"


@frozen_record
class HookKey:
    """A named signing key. The first of several keys signs, all of them verify."""

    name: str
    secret: str


@frozen_record
class HookPath:
    """The parts of a hook URL's path, not authenticated. `proof`: the token of a minted URL, or the secret of
    a fixed one.
    """

    account: str
    event: Event
    ref: str | None
    proof: str | None


class HookSigner:
    """Mints and checks hook tokens: `{key name}.{MAC}`, an HMAC-SHA256 in URL-safe base64."""

    def __init__(self, keys: tuple[HookKey, ...]) -> None:
        self._signing = keys[0].name
        # Copied for each token, since the setup of a key takes longer than the rest of the authentication.
        self._macs = {key.name: hmac.new(_derived(key.secret), digestmod="sha256") for key in keys}

    def token(self, account: str, event: Event, ref: str) -> str:
        """Return the token that is signed with the first key."""
        return f"{self._signing}.{self._sign(self._signing, account, event, ref).decode()}"

    def verify(self, path: HookPath) -> bool:
        """Return whether the path's token is ours, for exactly this account, event and ref."""
        name, _, mac = (path.proof or "").partition(".")
        if path.ref is None or name not in self._macs:
            return False
        return hmac.compare_digest(self._sign(name, path.account, path.event, path.ref), mac.encode())

    def knows_key(self, path: HookPath) -> bool:
        """Return whether the path's token names one of our keys, or no key at all."""
        name, has_mac, _ = (path.proof or "").partition(".")
        return name in self._macs or not has_mac

    def _sign(self, key: str, account: str, event: str, ref: str) -> bytes:
        mac = self._macs[key].copy()
        # None of the three contains "/", so that no two triples have the same text.
        mac.update(f"{account}/{event}/{ref}".encode())
        return base64.urlsafe_b64encode(mac.digest()).rstrip(b"=")


def _derived(secret: str) -> bytes:
    """Return the key of a secret. URLs in PBXs depend on it: it never changes."""
    return hashlib.sha256(b"receiver.hook" + b"signer" + secret.encode()).digest()


def mint_urls(signer: HookSigner, public_url: str, account: str, ref: str) -> dict[str, str]:
    """Return `ref` and the four URLs of a task, named as in the scheduler's API. Raises InputError if the ref
    cannot stand in a URL.
    """
    if not REF.fullmatch(ref):
        raise InputError("ref", "1 to 64 letters, digits, '_' or '-'")
    base = f"{public_url.rstrip('/')}/hooks/{account}"
    return {"ref": ref} | {
        f"url_{event}": f"{base}/{event}/{ref}/{signer.token(account, event, ref)}" for event in EVENTS
    }


def fixed_urls(public_url: str, account: str, secret: str | None) -> dict[str, str]:
    """Return the four fixed URLs of an account; without a secret, those for its addresses. Raises InputError
    if the secret cannot stand in a URL.
    """
    base = f"{public_url.rstrip('/')}/hooks/{account}"
    tail = "" if secret is None else f"/{quote(secret, safe='')}"
    path = parse_hook_path(f"/hooks/{account}/{EVENTS[0]}" + ("" if secret is None else f"/{secret}"))
    if path is None or path.proof != secret:
        raise InputError("fixed_secret", "'/', '?' and '&' cannot stand in a hook URL: choose another secret")
    return {f"url_{event}": f"{base}/{event}{tail}" for event in EVENTS}


def new_ref(at: float | None = None) -> str:
    """Return a new ref in hex: the epoch milliseconds of `at`, by default of now, then 80 random bits.

    The time comes first, so that refs of the same hour are neighbors in every index: the ledger reads and
    writes few pages, however large it is. A ref is no secret: its beginning can be guessed.
    """
    return f"{int((time.time() if at is None else at) * 1000):012x}{secrets.token_hex(10)}"


def parse_hook_path(path: str) -> HookPath | None:
    """Parse `/hooks/{account}/{event}[/{ref}/{token} | /{secret}]`; return None for any other path."""
    parts = path.removesuffix("/").split("/")
    if not 4 <= len(parts) <= 6 or parts[0] or parts[1] != "hooks" or "" in parts[2:]:
        return None
    event = _EVENT.get(parts[3])
    if event is None or "?" in path or "&" in path:
        return None
    if len(parts) == 6:
        return HookPath(parts[2], event, parts[4], parts[5])
    return HookPath(parts[2], event, None, parts[4] if len(parts) == 5 else None)


def without_pasted(text: str) -> str:
    """Return a path or a secret without what people paste with it: white space, invisible characters, and
    quotation marks and angle brackets at its end. Percent-escapes are decoded.
    """
    return "".join(unquote(text).translate(_INVISIBLE).split()).rstrip(_TRAILING)


def our_hook(url: str | None) -> HookPath | None:
    """Return the parts of a `url_*` that the scheduler echoes, whatever its host or prefix; None if it is not
    ours.
    """
    if not url:
        return None
    path = without_pasted(re.split(r"[?#]", url, maxsplit=1)[0])
    tails = (path[found.start() :] for found in re.finditer("/hooks(?=/)", path))
    return next(filter(None, map(parse_hook_path, tails)), None)
