"""What the load generator sends: whole HTTP requests, made beforehand, each with an id of its own."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from receiver.domain.facts import EVENTS
from receiver.domain.hooks import HookKey, HookSigner, mint_urls

ACCOUNT, KEY_NAME, KEY_SECRET = "main", "k1", "b" * 40
ID_FIELD = "EventID"
"""The field of a hook's body that no two requests share."""

_WINDOW = 400
"""Tasks that are open at the same time."""

_SAID = {
    "before": ("dial-out", "CALLING"),
    "before_again": ("dial-out", "CALLING"),
    "success": ("answer", "ANSWER"),
    "after": ("hangup", "ANSWER"),
}


@dataclass(frozen=True, slots=True)
class Traffic:
    """What to send. `kind`: minted (our hook URLs), crowded (one of them, of a single task), plain (the same
    bodies to `path`), stripe (signed events of the type `event`). `repeat`: the same requests may be sent
    again. `random_refs`: refs of minted URLs that begin with anything, as a customer's own may, not with the
    time as ours do. `numbers`: each hook has both phone numbers of its task.
    """

    kind: str
    path: str = "/hook"
    secret: str = ""
    repeat: bool = False
    event: str = ""
    random_refs: bool = False
    numbers: bool = False


Request = tuple[str, bytes]
"""(unique id, the whole request)."""


def requests(traffic: Traffic, count: int, seed: int) -> list[Request]:
    """`count` requests; another seed gives other ids, refs and calls."""
    makers: dict[str, Callable[[Traffic, Random], Iterator[Request]]] = {
        "minted": _hooks,
        "crowded": _hooks_of_one_task,
        "plain": _hooks,
        "stripe": _stripe_events,
    }
    made = makers[traffic.kind](traffic, Random(seed))
    return [next(made) for _ in range(count)]


def _hooks(traffic: Traffic, rng: Random) -> Iterator[Request]:
    """The four hooks of each task in their order, those of many open tasks mixed."""
    signer = HookSigner((HookKey(KEY_NAME, KEY_SECRET),))
    open_tasks = [_Task(rng, signer, traffic) for _ in range(_WINDOW)]
    while True:
        place = rng.randrange(_WINDOW)
        yield open_tasks[place].next_hook(rng)
        if open_tasks[place].ended:
            open_tasks[place] = _Task(rng, signer, traffic)


def _hooks_of_one_task(traffic: Traffic, rng: Random) -> Iterator[Request]:
    """One URL that is used for every task."""
    task = _Task(rng, HookSigner((HookKey(KEY_NAME, KEY_SECRET),)), traffic)
    while True:
        yield task.next_hook(rng, again=True)


def one_task(traffic: Traffic, seed: int) -> list[Request]:
    """The four hooks of one task."""
    rng = Random(seed)
    task = _Task(rng, HookSigner((HookKey(KEY_NAME, KEY_SECRET),)), traffic)
    return [task.next_hook(rng) for _ in EVENTS]


class _Task:
    """One callback task of two attempts, the second of which succeeds."""

    def __init__(self, rng: Random, signer: HookSigner, traffic: Traffic) -> None:
        ref = f"{rng.getrandbits(64):016x}" if traffic.random_refs else _ref(rng)
        urls = mint_urls(signer, "http://127.0.0.1", ACCOUNT, ref)
        minted = traffic.kind in ("minted", "crowded")
        self._paths = [urlsplit(urls[f"url_{event}"]).path if minted else traffic.path for event in EVENTS]
        self._number = rng.randrange(10**8, 10**9)
        self._calls = [_uuid(rng), _uuid(rng)]
        both = f',"a_number":"8 (916) {self._number % 10**7:07}","b_number":"7495{rng.randrange(10**7):07}"'
        self._numbers = both if traffic.numbers else ""
        self._done = 0

    @property
    def ended(self) -> bool:
        return self._done == len(EVENTS)

    def next_hook(self, rng: Random, again: bool = False) -> Request:
        """The next in order; `again`: one more `before_again`."""
        if again:
            self._done = EVENTS.index("before_again")
        event, path = EVENTS[self._done], self._paths[self._done]
        call, (kind, status) = self._calls[self._done > 0], _SAID[event]
        unique = _uuid(rng)
        self._done += 1
        body = (
            f'{{"EventType":"{kind}","EventTime":{int(time.time() * 1e6)},"{ID_FIELD}":"{unique}",'
            f'"CallID":"{call}","CallAPIID":"{call}","CallStatus":"{status}","CallFlow":"out",'
            f'"CallerIDNum":"7495{self._number % 10**7:07}","CalledNumber":"7916{self._number % 10**7:07}",'
            f'"CallerExtensionID":"{self._number % 900 + 100}","task_id":"{self._number}",'
            f'"scheduler_id":"17","attempt":{1 + (self._done > 1)},"try_count":3,"Duration":0,'
            f'"Bridged":"false"{self._numbers}}}'
        )
        return unique, post(path, body.encode())


def _stripe_events(traffic: Traffic, rng: Random) -> Iterator[Request]:
    """Events of one kind that both peers store from the event itself, signed as Stripe signs."""
    while True:
        unique = f"evt_{rng.getrandbits(96):024x}"
        body = json.dumps(_stripe_event(unique, traffic.event, rng), separators=(",", ":")).encode()
        now = int(time.time())
        mac = hmac.new(traffic.secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        yield unique, post(traffic.path, body, f"Stripe-Signature: t={now},v1={mac}\r\n")


def _stripe_event(unique: str, kind: str, rng: Random) -> dict[str, Any]:
    """An event about a product that has the event's own id, or about the balance."""
    now = int(time.time())
    product: dict[str, Any] = {
        "id": unique.replace("evt_", "prod_"),
        "object": "product",
        "active": True,
        "attributes": [],
        "created": now,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "metadata": {},
        "name": f"callback {rng.randrange(10**6)}",
        "type": "service",
        "updated": now,
        "url": None,
    }
    amounts = [{"amount": rng.randrange(10**6), "currency": "rub", "source_types": {"card": 0}}]
    balance = {"object": "balance", "available": amounts, "livemode": False, "pending": amounts}
    return {
        "id": unique,
        "object": "event",
        "api_version": "2020-08-27",
        "created": now,
        "data": {"object": product if kind == "product.created" else balance},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }


def post(path: str, body: bytes, more_headers: str = "") -> bytes:
    """A keep-alive POST of JSON, as an HTTP library would send it."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: scheduler/1.0\r\nAccept: */*\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{more_headers}\r\n"
    )
    return head.encode() + body


def _ref(rng: Random) -> str:
    """A ref as `new_ref` makes them, but from a seed."""
    return f"{int(time.time() * 1000):012x}{rng.getrandbits(80):020x}"


def _uuid(rng: Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))
