"""`python -m tests.e2e.verifiers`: the `standardwebhooks` packages of PyPI and npm verify our deliveries.

Real deliveries are taken from a real sender's socket: signed with one secret, with a new and an old one while
it rotates, with a private key (`v1a`), and with that and shared ones while they follow each other. Each
package verifies each with each secret, as it came and with a byte of body, id or timestamp changed. The
packages pass `v1a` over: that is verified with the public key by `cryptography`.
"""

import asyncio
import base64
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import WebhookVerificationError

from receiver.outcomes.params import RotateBody
from receiver.outcomes.signing import PUBLIC, SHARED, new_private_key, new_secret
from receiver.outcomes.subscription_endpoints import rotate_secret
from tests.e2e.report import parser_of, tell
from tests.factories import START, finished, hook
from tests.outcomes.delivery_env import DeliveryEnv, open_delivery_env
from tests.outcomes.subscriber import Received, Subscriber, subscriber

NPM_PACKAGE = "standardwebhooks@1.1.1"
_INSTALL_S = 60
_CHANGED_BYTES = 40
"""Of each body."""

_SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Delivery(NamedTuple):
    """One that came. `secrets`: those that signed it; `public_key`: of the private one among them, if any."""

    received: Received
    secrets: tuple[str, ...]
    public_key: str | None = None


class Case(NamedTuple):
    """What a verifier is asked, and what it has to say."""

    secret: str
    received: Received
    is_ours: bool


@dataclass(frozen=True)
class Verdict:
    """Of one verifier. `mistaken`: what it believed and should not have, or the other way round."""

    believed: int
    refused: int
    mistaken: int


@dataclass(frozen=True)
class Result:
    """`problem`: why npm's package was not asked."""

    deliveries: int
    verdicts: dict[str, Verdict]
    problem: str | None

    @property
    def is_good(self) -> bool:
        return (
            self.deliveries > 0
            and not self.problem
            and all(each.believed and each.refused and not each.mistaken for each in self.verdicts.values())
        )


async def capture(store: Path) -> list[Delivery]:
    """Deliveries of outcomes, each signed in another way. One subscription, whose secret is changed."""
    async with open_delivery_env(str(store)) as delivery_env, subscriber() as crm:
        secrets: tuple[str, ...] = (
            await delivery_env.subscribe(crm.url, filter={"types": ["task.finished"]}),
        )
        captured = [Delivery(await _delivered(delivery_env, crm, "r0"), secrets)]
        for number, (secret, overlap_s) in enumerate(_rotations(), 1):
            new = await delivery_env.ask(rotate_secret, RotateBody(secret=secret, overlap_s=overlap_s))
            secrets = (secret, *secrets) if overlap_s else (secret,)
            received = await _delivered(delivery_env, crm, f"r{number}")
            captured.append(Delivery(received, secrets, new.public_key))
    return captured


def _rotations() -> list[tuple[str, float]]:
    """New secrets, each with how long the ones before it sign as well."""
    return [
        (new_secret(), 3600.0),
        (new_private_key(), 3600.0),
        (new_private_key(), 0.0),
        (new_secret(), 60.0),
    ]


async def _delivered(delivery_env: DeliveryEnv, crm: Subscriber, ref: str) -> Received:
    """What the end of a task comes as."""
    heard = hook("before", START, about=(ref, None))
    end = finished("success", START + 60, about=(ref, f"9{ref}"), name="Обратный звонок «Ёлка»")
    before = len(crm.received)
    async with delivery_env.delivering():
        await delivery_env.ledger_env.ledger.record([heard, end])
        return (await crm.until(before + 1))[before]


def cases(deliveries: Sequence[Delivery], rng: Random) -> list[Case]:
    """Each delivery with each shared secret of all, as it came; and with those that signed it, changed."""
    shared = {each for delivery in deliveries for each in delivery.secrets if _is_shared(each)}
    asked = []
    for delivery in deliveries:
        mine = [each for each in delivery.secrets if _is_shared(each)]
        asked += [Case(secret, delivery.received, secret in mine) for secret in sorted(shared)]
        asked += [Case(secret, each, False) for secret in mine for each in _changed(delivery.received, rng)]
    return asked


def _is_shared(secret: str) -> bool:
    return secret.startswith(SHARED)


def _changed(received: Received, rng: Random) -> Iterator[Received]:
    """The delivery with one byte changed: some of the body, each of the id, the last of the timestamp."""
    plain = [at for at, byte in enumerate(received.body) if byte < 0x7F]
    for at in rng.sample(plain, _CHANGED_BYTES):
        yield replace(received, body=_with_other(received.body, at))
    for name, places in (("webhook-id", range(len(received.id))), ("webhook-timestamp", range(9, 10))):
        for at in places:
            value = _with_other(received.headers[name].encode(), at).decode()
            yield replace(received, headers={**received.headers, name: value})


def _with_other(text: bytes, at: int) -> bytes:
    """With another byte there: a digit for a digit, so that a timestamp stays one."""
    byte = text[at : at + 1]
    other = str((int(byte) + 1) % 10).encode() if byte.isdigit() else bytes([byte[0] ^ 1])
    return text[:at] + other + text[at + 1 :]


def by_pypi(asked: Sequence[Case]) -> list[bool]:
    def believes(case: Case) -> bool:
        try:
            case.received.verify(case.secret)
        except WebhookVerificationError:
            return False
        return True

    return [believes(case) for case in asked]


def by_npm(asked: Sequence[Case], folder: Path) -> list[bool]:
    """`folder`: where the package is installed."""
    said = [
        {
            "secret": case.secret,
            "headers": {name: case.received.headers[name] for name in _SIGNED},
            "body": case.received.body.decode(),
        }
        for case in asked
    ]
    command = ["node", str(Path(__file__).with_name("verify.mjs")), str(folder)]
    done = subprocess.run(
        command, input=json.dumps(said), capture_output=True, text=True, timeout=60, check=True
    )
    return list(json.loads(done.stdout))


def by_public_key(delivery: Delivery, received: Received) -> bool:
    """Whether the delivery, as it came or changed, has a `v1a` signature that its public key verifies."""
    assert delivery.public_key is not None
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(delivery.public_key.removeprefix(PUBLIC)))
    signed = f"{received.id}.{received.headers['webhook-timestamp']}.".encode() + received.body
    for each in received.headers["webhook-signature"].split():
        version, _, signature = each.partition(",")
        if version == "v1a":
            try:
                key.verify(base64.b64decode(signature), signed)
            except InvalidSignature:
                continue
            return True
    return False


def install(folder: Path) -> str | None:
    """Install npm's package there; why that could not be done, if so."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "there is no Node with npm"
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", ".", NPM_PACKAGE]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_INSTALL_S)
    except subprocess.CalledProcessError as error:
        return f"npm: {(error.stderr or error.stdout).strip()[-300:]}"
    except subprocess.TimeoutExpired:
        return f"npm: not done after {_INSTALL_S} s"
    return None


def run(folder: Path, seed: int) -> Result:
    """Take deliveries and have them verified."""
    rng = Random(seed)
    deliveries = asyncio.run(capture(folder / "receiver.db"))
    asked = cases(deliveries, rng)
    wanted = [case.is_ours for case in asked]
    verdicts = {"PyPI": _verdict(by_pypi(asked), wanted)}
    problem = install(folder)
    if not problem:
        verdicts["npm"] = _verdict(by_npm(asked, folder), wanted)
    keyed = [each for each in deliveries if each.public_key]
    changed = [(each, one) for each in keyed for one in _changed(each.received, rng)]
    believed = [by_public_key(each, each.received) for each in keyed]
    verdicts["v1a by public key"] = _verdict(
        [*believed, *(by_public_key(*each) for each in changed)], [True] * len(keyed) + [False] * len(changed)
    )
    return Result(len(deliveries), verdicts, problem)


def _verdict(said: Sequence[bool], wanted: Sequence[bool]) -> Verdict:
    mistaken = sum(one != other for one, other in zip(said, wanted, strict=True))
    return Verdict(sum(said), len(said) - sum(said), mistaken)


def main() -> int:
    parser = parser_of("tests.e2e.verifiers", __doc__)
    parser.add_argument(
        "--seed", type=int, default=1, help="of the bytes that are changed (default %(default)s)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="verifiers-") as folder:
        result = run(Path(folder), options.seed)
    said = (
        asdict(result)
        if options.json
        else {
            "deliveries": result.deliveries,
            **{
                name: ", ".join(f"{what} {number}" for what, number in asdict(each).items())
                for name, each in result.verdicts.items()
            },
            **({"npm": f"NOT ASKED: {result.problem}"} if result.problem else {}),
        }
    )
    return tell(said, good=result.is_good, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
