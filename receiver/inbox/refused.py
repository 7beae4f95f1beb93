"""Requests that the hook listener refused: the latest of each kind in memory, and a rate-limited log line.

Strangers decide how many requests are refused, so an entry is not written to disk, has none of the content,
and the number of entries is limited.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from receiver.domain.facts import EVENTS, Event
from receiver.domain.hooks import Part
from receiver.observability.logs import RateLimitedLog

_log = structlog.get_logger("receiver.intake")

PROBLEMS: Mapping[Part, str] = {
    "path": "the path is not that of a hook URL: a part is missing, or there is one too many",
    "account": "the account in the URL is not in the settings",
    "event": f"the event in the URL is none of {', '.join(EVENTS)}",
    "key": "the token is signed by a key that is not in hook_keys: put the key back, or mint the URLs anew",
    "mac": "the token was minted for another account, event or ref, or is damaged: mint the URLs anew, and "
    "copy them whole",
    "secret": "the secret is not the account's fixed_secret, or a minted URL has lost its token: compare "
    "with `receiver urls fixed`",
    "address": "the address is not in the account's fixed_addresses, or the URL has lost its secret; if the "
    "address is that of your proxy, name it in trusted_proxies",
    "method": "the method is none of GET, POST and PUT",
    "head": "line and headers were too large, or came too slowly: see listener.max_head_bytes and "
    "listener.head_s",
    "body": "the request ended early, or came too slowly: see listener.body_s",
    "http": "the request is not valid HTTP",
}
"""The wrong part of a request → what is wrong, and the fix."""

_MOST = 25
"""Entries for each part, so that strangers who try paths do not push out a hook with a damaged token."""


class Refused(NamedTuple):
    """A refused request. `account`: None unless it is in the settings; `event`: None unless it is known;
    `peer`: the sender's address, None if it is unknown.
    """

    part: Part
    account: str | None = None
    event: Event | None = None
    peer: str | None = None


@dataclass(slots=True)
class RefusedRequests:
    """Equal refused requests: their number, and the times of the first and the last, epoch seconds."""

    what: Refused
    first_at: float
    last_at: float
    count: int = 1


class RefusalLog:
    """Remembers the latest refused requests of this process."""

    def __init__(self) -> None:
        self._latest: dict[Part, OrderedDict[Refused, RefusedRequests]] = {
            part: OrderedDict() for part in PROBLEMS
        }
        self._limited_log = RateLimitedLog(_log)

    def note(self, refused: Refused, at: float) -> None:
        """Remember a request, and log it unless one with this part and account was logged within a minute."""
        latest = self._latest[refused.part]
        if known := latest.get(refused):
            known.last_at = at
            known.count += 1
            latest.move_to_end(refused)
        else:
            latest[refused] = RefusedRequests(refused, at, at)
            if len(latest) > _MOST:
                latest.popitem(last=False)
        self._limited_log.warning(
            "a request to the hook listener is refused",
            per=(refused.part, refused.account),
            part=refused.part,
            problem=PROBLEMS[refused.part],
            account=refused.account,
            hook=refused.event,
            peer=refused.peer,
        )

    def latest(self, account: str | None = None) -> list[RefusedRequests]:
        """Return the requests of an account, or all, the latest first."""
        found = [
            requests
            for latest in self._latest.values()
            for requests in latest.values()
            if account in (None, requests.what.account)
        ]
        return sorted(found, key=lambda requests: requests.last_at, reverse=True)
