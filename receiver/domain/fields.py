"""From a payload's names and values, in whatever spelling, to what an event says."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

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


@dataclass(frozen=True, slots=True)
class HookFields:
    """What could be read of a payload. `unmapped`: the names that no alias knows."""

    task_id: str | None = None
    queue_id: str | None = None
    call: str | None = None
    result: str | None = None
    comment: str | None = None
    sent_at: float | None = None
    unmapped: tuple[str, ...] = field(default=())


def fold_name(name: str) -> str:
    """Names match without regard to case, `_` and `-`."""
    return name.replace("_", "").replace("-", "").lower()


def read_fields(
    payload: Iterable[tuple[str, str]], aliases: Mapping[str, tuple[str, ...]] = DEFAULT_ALIASES
) -> HookFields:
    """The first non-empty value under the best alias of each field."""
    values: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for name, value in payload:
        folded = fold_name(name)
        spelled.setdefault(folded, name)
        if value.strip():
            values.setdefault(folded, storable(value.strip()))
    known = {fold_name(alias) for names in aliases.values() for alias in names}
    best = {
        ours: next((values[n] for n in map(fold_name, names) if n in values), None)
        for ours, names in aliases.items()
    }
    return HookFields(
        task_id=best.get("task_id"),
        queue_id=best.get("queue_id"),
        call=best.get("call"),
        result=best.get("result"),
        comment=best.get("comment"),
        sent_at=read_time(best.get("sent_at")),
        unmapped=tuple(spelled[name] for name in spelled if name not in known),
    )


def storable(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON can carry and no database can."""
    return text.encode("utf-8", "replace").decode()


def call_key(uuid: str | None) -> str | None:
    """A call's uuid as it is compared: lower case, no dashes; nothing for an empty one."""
    return uuid.replace("-", "").strip().lower() or None if uuid else None


def result_of(word: str | None) -> str | None:
    """`success`, `failed`, or None for a word that does not settle it (`ANSWER` may mean leg A only)."""
    return _RESULTS.get(re.sub(r"[\s_-]", "", word).lower()) if word else None


def read_time(text: str | None) -> float | None:
    """A moment in s, ms or µs since the epoch (told apart by size) or in ISO form, UTC."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return _read_date(text)
    scale = next((scale for least, scale in ((1e14, 1e6), (1e11, 1e3), (1e9, 1.0)) if number >= least), None)
    return number / scale if scale and number < 1e17 else None


def _read_date(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
