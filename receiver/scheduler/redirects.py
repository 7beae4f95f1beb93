"""Redirects within one host: followed once, and remembered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin, urlsplit

from receiver.errors import SchedulerError, SchedulerRefusedError
from receiver.scheduler.answers import InDoubtError, RedirectedError

_MAX_MOVES = 64
"""Remembered moves of an account; the oldest is forgotten first."""

_KEEPS_METHOD = (307, 308)
_PORTS: Mapping[str, int] = {"http": 80, "https": 443}


@dataclass(slots=True)
class Redirects:
    """What an account's redirects have shown. `_slashes`: operation → whether its path ends in a slash.
    `_moves`: beginning of a URL → its replacement. `are_known`: whether either holds anything.
    """

    are_known: bool = False
    _slashes: dict[str, bool] = field(default_factory=dict)
    _moves: dict[str, str] = field(default_factory=dict)

    def applied(self, operation: str, url: str) -> str:
        """Return the URL as earlier redirects would change it."""
        for old, new in self._moves.items():
            if url == old or url.startswith(old + "/"):
                url = new + url.removeprefix(old)
        ends_in_slash = self._slashes.get(operation)
        return url if ends_in_slash is None else url.rstrip("/") + "/" * ends_in_slash

    def target(self, method: str, url: str, error: RedirectedError) -> str | None:
        """Return the URL to send the same request to, or None if it must not be sent there."""
        try:
            source, target = urlsplit(url), urlsplit(urljoin(url, error.location))
            if not _is_same_host(source, target):
                return None
        except ValueError:
            return None
        is_slash = target.path.rstrip("/") == source.path.rstrip("/")
        if method != "GET" and error.status not in _KEEPS_METHOD and (error.status == 303 or not is_slash):
            return None  # the answer to a change may lead to what the change has made
        return target._replace(query=source.query, fragment="").geturl()

    def learn(self, operation: str, url: str, target: str) -> None:
        """Remember that `target` has answered for `url`."""
        self.are_known = True
        if url.rstrip("/") == target.rstrip("/"):
            self._slashes[operation] = target.endswith("/")
            return
        old, new = url.split("/"), target.split("/")
        # The first three segments are the scheme and the host. Equal ends are not part of the move.
        while min(len(old), len(new)) > 3 and old[-1] == new[-1]:
            old.pop()
            new.pop()
        self._moves.pop("/".join(old), None)
        self._moves["/".join(old)] = "/".join(new)
        while len(self._moves) > _MAX_MOVES:
            del self._moves[next(iter(self._moves))]

    def forget(self) -> None:
        """Forget all redirects: the server may have changed them."""
        self.are_known = False
        self._slashes.clear()
        self._moves.clear()


def not_followed(method: str, error: RedirectedError) -> SchedulerError:
    """Return the error of a redirect that is not followed. The server may have acted on a change."""
    if method == "GET" or error.status in _KEEPS_METHOD:
        return SchedulerRefusedError(str(error), error.status)
    return InDoubtError(str(error))


def _is_same_host(source: SplitResult, target: SplitResult) -> bool:
    """Return whether the token may go there: the same host and port, and TLS if it had TLS."""
    if not target.hostname or target.hostname != source.hostname or target.username or target.password:
        return False
    ports = [url.port or _PORTS.get(url.scheme) for url in (source, target)]
    if target.scheme == source.scheme:
        return ports[0] == ports[1]
    return (source.scheme, target.scheme) == ("http", "https") and ports == [80, 443]
