"""Hook URLs: four per task, each carrying account, event, our ref and a MAC over the three."""

import hashlib
import re
import secrets
from dataclasses import dataclass

from itsdangerous import Signer

from receiver.domain.facts import EVENTS, Event
from receiver.errors import InputError

REF = re.compile(r"[A-Za-z0-9_-]{1,64}")
ACCOUNT = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_PATH = re.compile(r"/hooks/([^/]+)/([^/]+)(?:/([^/?&]+))?(?:/([^/?&]+))?/?")


@dataclass(frozen=True, slots=True)
class HookKey:
    """A named signing key. The first of several signs, all of them verify."""

    name: str
    secret: str


@dataclass(frozen=True, slots=True)
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
        self._signers = {
            key.name: Signer(key.secret, salt="receiver.hook", digest_method=_sha256) for key in keys
        }

    def token(self, account: str, event: Event, ref: str) -> str:
        return f"{self._signing}.{self._mac(self._signing, account, event, ref)}"

    def verify(self, path: HookPath) -> bool:
        """Whether the path's token was minted by us for just this account, event and ref."""
        name, _, mac = (path.proof or "").partition(".")
        if path.ref is None or name not in self._signers:
            return False
        return secrets.compare_digest(
            self._mac(name, path.account, path.event, path.ref).encode(), mac.encode()
        )

    def _mac(self, key: str, account: str, event: str, ref: str) -> str:
        # "/" can stand in none of the three, so no two triples sign the same bytes.
        return self._signers[key].get_signature(f"{account}/{event}/{ref}").decode()


def _sha256(data: bytes = b"") -> "hashlib._Hash":
    return hashlib.sha256(data)


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


def new_ref() -> str:
    """A ref nobody has used: 128 random bits."""
    return secrets.token_hex(16)


def parse_hook_path(path: str) -> HookPath | None:
    """The parts of `/hooks/{account}/{event}[/{ref}/{token} | /{secret}]`; None for any other path."""
    match = _PATH.fullmatch(path)
    event = next((event for event in EVENTS if match and match[2] == event), None)
    if match is None or event is None:
        return None
    ref, proof = (match[3], match[4]) if match[4] else (None, match[3])
    return HookPath(match[1], event, ref, proof)


def our_hook(url: str | None) -> HookPath | None:
    """What an echoed `url_*` says if its path is one of ours, whatever host or prefix stands before it."""
    if not url:
        return None
    path = re.split(r"[?#]", url, maxsplit=1)[0]
    tails = (path[found.start() :] for found in re.finditer("/hooks(?=/)", path))
    return next(filter(None, map(parse_hook_path, tails)), None)
