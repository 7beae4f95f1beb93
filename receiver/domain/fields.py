"""From a payload's names and values, in whatever spelling, to what an event says."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from receiver.domain.shape import shape

DEFAULT_ALIASES: dict[str, tuple[str, ...]] = {
    "task_id": ("task_id", "TaskID", "id"),
    "queue_id": ("scheduler_id", "queue_id"),
    "call": ("cdr", "call_uuid", "call_id", "CallID", "CallAPIID", "CallBackID"),
    "result": ("finish_result", "result", "CallStatus"),
    "comment": ("finish_comment", "hangup_cause"),
    "sent_at": ("EventTime", "timestamp", "time"),
}
"""Our field → the names it may come under, best first; the settings may replace any of them."""

_RESULTS = {
    "success": "success",
    "bridged": "success",
    "failed": "failed",
    "busy": "failed",
    "noanswer": "failed",
    "notanswered": "failed",
    "cancel": "failed",
    "congestion": "failed",
    "chanunavail": "failed",
    "rejected": "failed",
}
_GAPS = re.compile(r"[\s_-]")


@shape(frozen=True, slots=True)
class HookFields:
    """What could be read of a payload."""

    task_id: str | None = None
    queue_id: str | None = None
    call: str | None = None
    result: str | None = None
    comment: str | None = None
    sent_at: float | None = None


_SPELLINGS = 1000


def fold_name(name: str) -> str:
    """Names match without regard to case, `_` and `-`."""
    return name.replace("_", "").replace("-", "").lower()


class FieldReader:
    """Reads payloads by one table of aliases: our field → the names it may come under, best first."""

    def __init__(self, aliases: Mapping[str, tuple[str, ...]] = DEFAULT_ALIASES) -> None:
        self._names = tuple(tuple(map(fold_name, aliases.get(ours, ()))) for ours in DEFAULT_ALIASES)
        self._known = frozenset(fold_name(alias) for names in aliases.values() for alias in names)
        # A sender spells a name the same way each time: then it need not be folded again.
        self._spelled: dict[str, str | None] = {}

    def read(self, payload: Iterable[tuple[str, str]]) -> HookFields:
        """The first non-empty value under the best alias of each field."""
        values: dict[str, str] = {}
        spelled = self._spelled
        for name, value in payload:
            known = spelled[name] if name in spelled else self._learn(name)
            if known is not None and known not in values and (said := value.strip()):
                values[known] = storable(said)
        task_id, queue_id, call, result, comment, sent_at = [_best(names, values) for names in self._names]
        return HookFields(task_id, queue_id, call, result, comment, read_time(sent_at) if sent_at else None)

    def _learn(self, name: str) -> str | None:
        """The folded name if an alias knows it, kept in mind for so many names."""
        folded = fold_name(name)
        known = folded if folded in self._known else None
        if len(self._spelled) < _SPELLINGS:
            self._spelled[name] = known
        return known


def _best(names: tuple[str, ...], values: Mapping[str, str]) -> str | None:
    for name in names:
        if name in values:
            return values[name]
    return None


def storable(text: str) -> str:
    """The text without what JSON can carry and no database can: NULs and halves of surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def storable_tree(value: Any) -> Any:
    """JSON's values, all texts among them storable."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(name): storable_tree(item) for name, item in value.items()}
    return type(value)(map(storable_tree, value)) if isinstance(value, list | tuple) else value


@lru_cache(maxsize=256)
def call_key(uuid: str | None) -> str | None:
    """A call's uuid as it is compared: lower case, no dashes; nothing for an empty one."""
    # Cached, since most facts of one task name the same call.
    return uuid.replace("-", "").strip().lower() or None if uuid else None


def result_of(word: str | None) -> str | None:
    """`success`, `failed`, or None for a word that does not settle it (`ANSWER` may mean leg A only)."""
    return _RESULTS.get(word) or _RESULTS.get(_GAPS.sub("", word).lower()) if word else None


def read_time(text: str | None) -> float | None:
    """A moment in s, ms or µs since the epoch (told apart by size) or in ISO form, UTC."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return _read_date(text)
    if not 1e9 <= number < 1e17:
        return None
    return number if number < 1e11 else number / 1e3 if number < 1e14 else number / 1e6


def _read_date(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
