"""Hook URLs: four per task, each carrying account, event, our ref and a MAC over the three."""

import base64
import hashlib
import hmac
import re
import secrets
import time
from typing import Literal, get_args
from urllib.parse import quote, unquote

from itsdangerous import Signer

from receiver.domain.facts import EVENTS, Event
from receiver.domain.frozen_record import shape
from receiver.errors import InputError

REF = re.compile(r"[A-Za-z0-9_-]{1,64}")
ACCOUNT = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")

Part = Literal[
    "path", "account", "event", "key", "mac", "secret", "address", "method", "head", "body", "http"
]
"""A part of a hook request that may not fit."""

PARTS: tuple[Part, ...] = get_args(Part)

_EVENT: dict[str, Event] = {event: event for event in EVENTS}

_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_BEHIND = "\"'<>"


@shape(frozen=True, slots=True)
class HookKey:
    """A named signing key. The first of several signs, all of them verify."""

    name: str
    secret: str


@shape(frozen=True, slots=True)
class HookPath:
    """What a hook URL's path says, not yet believed: `proof` is a token (minted) or a secret (fixed)."""

    account: str
    event: Event
    ref: str | None
    proof: str | None


class HookSigner:
    """Mints and checks hook tokens: `{key name}.{MAC}`."""

    def __init__(self, keys: tuple[HookKey, ...]) -> None:
        self._signing = keys[0].name
        # A signer derives its key anew for each signature, and `hmac.digest` fetches its algorithm anew: that
        # takes longer than all else that a hook's authentication needs.
        self._keys = {key.name: _Mac(_signer(key.secret).derive_key()) for key in keys}

    def token(self, account: str, event: Event, ref: str) -> str:
        return f"{self._signing}.{self._mac(self._signing, account, event, ref).decode()}"

    def verify(self, path: HookPath) -> bool:
        """Whether the path's token was minted by us for just this account, event and ref."""
        name, _, mac = (path.proof or "").partition(".")
        if path.ref is None or name not in self._keys:
            return False
        return hmac.compare_digest(self._mac(name, path.account, path.event, path.ref), mac.encode())

    def knows_key(self, path: HookPath) -> bool:
        """Whether the path's token names one of our keys, or none at all."""
        name, has_mac, _ = (path.proof or "").partition(".")
        return name in self._keys or not has_mac

    def _mac(self, key: str, account: str, event: str, ref: str) -> bytes:
        # "/" can stand in none of the three, so no two triples sign the same bytes.
        said = f"{account}/{event}/{ref}".encode()
        return base64.urlsafe_b64encode(self._keys[key].digest(said)).rstrip(b"=")


class _Mac:
    """HMAC-SHA256 (RFC 2104) with the two pads of the key hashed beforehand."""

    def __init__(self, key: bytes) -> None:
        block = (key if len(key) <= 64 else hashlib.sha256(key).digest()).ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


def _signer(secret: str) -> Signer:
    return Signer(secret, salt="receiver.hook", digest_method=hashlib.sha256)


def mint_urls(signer: HookSigner, public_url: str, account: str, ref: str) -> dict[str, str]:
    """`ref` and the four URLs of one task, ready to go into the scheduler's task.

    Raises InputError where the ref could not travel in a URL.
    """
    if not REF.fullmatch(ref):
        raise InputError("ref", "1 to 64 letters, digits, '_' or '-'")
    base = f"{public_url.rstrip('/')}/hooks/{account}"
    return {"ref": ref} | {
        f"url_{event}": f"{base}/{event}/{ref}/{signer.token(account, event, ref)}" for event in EVENTS
    }


def fixed_urls(public_url: str, account: str, secret: str | None) -> dict[str, str]:
    """The four fixed URLs of an account; without a secret those that its addresses may use.

    Raises InputError where the secret could not travel in a URL.
    """
    base = f"{public_url.rstrip('/')}/hooks/{account}"
    tail = "" if secret is None else f"/{quote(secret, safe='')}"
    path = parse_hook_path(f"/hooks/{account}/{EVENTS[0]}" + ("" if secret is None else f"/{secret}"))
    if path is None or path.proof != secret:
        raise InputError("fixed_secret", "'/', '?' and '&' cannot stand in a hook URL: choose another secret")
    return {f"url_{event}": f"{base}/{event}{tail}" for event in EVENTS}


def new_ref(at: float | None = None) -> str:
    """A ref nobody has used, in hex: the epoch milliseconds of `at`, or else of now, then 80 random bits.

    The time comes first so that refs of the same hour lie side by side in every index: the pages that the
    ledger reads and writes stay few, however large it grows. No secret: its beginning can be guessed.
    """
    return f"{int((time.time() if at is None else at) * 1000):012x}{secrets.token_hex(10)}"


def parse_hook_path(path: str) -> HookPath | None:
    """The parts of `/hooks/{account}/{event}[/{ref}/{token} | /{secret}]`; None for any other path."""
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
    """A path or a secret without what is pasted along with it: white space and characters that nobody sees,
    and quotation marks and angle brackets behind it. What was escaped twice is read.
    """
    return "".join(unquote(text).translate(_INVISIBLE).split()).rstrip(_BEHIND)


def our_hook(url: str | None) -> HookPath | None:
    """What an echoed `url_*` says if its path is one of ours, whatever host or prefix stands before it."""
    if not url:
        return None
    path = without_pasted(re.split(r"[?#]", url, maxsplit=1)[0])
    tails = (path[found.start() :] for found in re.finditer("/hooks(?=/)", path))
    return next(filter(None, map(parse_hook_path, tails)), None)
