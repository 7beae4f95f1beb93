"""Where requests really go: redirects within one host are followed once, and remembered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin, urlsplit

from receiver.errors import SchedulerError, SchedulerRefusedError
from receiver.scheduler.faults import InDoubtError, RedirectedError

_MOST_MOVES = 64
"""Remembered moves per account; the oldest is forgotten first."""

_KEEPS_METHOD = (307, 308)
_PORTS: Mapping[str, int] = {"http": 80, "https": 443}


@dataclass(slots=True)
class Redirects:
    """What an account's redirects have taught. `_slashes`: operation → whether its path ends in a slash.
    `_moves`: beginning of a URL → what it is now.
    """

    _slashes: dict[str, bool] = field(default_factory=dict)
    _moves: dict[str, str] = field(default_factory=dict)

    def applied(self, operation: str, url: str) -> str:
        """The URL as earlier redirects would change it."""
        for old, new in self._moves.items():
            if url == old or url.startswith(old + "/"):
                url = new + url.removeprefix(old)
        ends_in_slash = self._slashes.get(operation)
        return url if ends_in_slash is None else url.rstrip("/") + "/" * ends_in_slash

    def target(self, method: str, url: str, error: RedirectedError) -> str | None:
        """The URL to send the same request to; None where it must not be sent there."""
        try:
            there = urlsplit(urljoin(url, error.location))
            here = urlsplit(url)
            if not _is_same_host(here, there):
                return None
        except ValueError:
            return None
        is_slash = there.path.rstrip("/") == here.path.rstrip("/")
        if method != "GET" and error.status not in _KEEPS_METHOD and (error.status == 303 or not is_slash):
            return None  # the answer to a change may lead to what the change has made
        return there._replace(query=here.query, fragment="").geturl()

    def learn(self, operation: str, url: str, target: str) -> None:
        """`target` has answered for `url`."""
        if url.rstrip("/") == target.rstrip("/"):
            self._slashes[operation] = target.endswith("/")
            return
        old, new = _beginnings(url, target)
        self._moves.pop(old, None)
        self._moves[old] = new
        while len(self._moves) > _MOST_MOVES:
            del self._moves[next(iter(self._moves))]

    def forget(self) -> None:
        """The server may have changed its mind: ask as if nothing had been learnt."""
        self._slashes.clear()
        self._moves.clear()


def not_followed(method: str, error: RedirectedError) -> SchedulerError:
    """What a redirect comes to that leads nowhere. A change may have been acted on."""
    if method == "GET" or error.status in _KEEPS_METHOD:
        return SchedulerRefusedError(str(error), error.status)
    return InDoubtError(str(error))


def _is_same_host(here: SplitResult, there: SplitResult) -> bool:
    """The token goes to no other host or port, and to none without TLS if it had TLS."""
    if not there.hostname or there.hostname != here.hostname or there.username or there.password:
        return False
    ports = [each.port or _PORTS.get(each.scheme) for each in (here, there)]
    if there.scheme == here.scheme:
        return ports[0] == ports[1]
    return (here.scheme, there.scheme) == ("http", "https") and ports == [80, 443]


def _beginnings(url: str, target: str) -> tuple[str, str]:
    """What is left of both without the segments that they share at their ends."""
    old, new = url.split("/"), target.split("/")
    # The first three are the scheme and the host.
    while min(len(old), len(new)) > 3 and old[-1] == new[-1]:
        old.pop()
        new.pop()
    return "/".join(old), "/".join(new)
