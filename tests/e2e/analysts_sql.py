"""The figures calculated anew, by DuckDB over the exported Parquet, and their intervals by statsmodels."""

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

Key = tuple[str, ...]
Values = dict[str, Any]

_TASKS = """
CREATE TEMP TABLE tasks AS SELECT *, state IN ('finished', 'gone') AS ended,
  CASE WHEN state IN ('finished', 'gone') THEN coalesce(finished_at, last_at) END AS end_at
FROM read_parquet('{tasks}')
"""
_ATTEMPTS = """
CREATE TEMP TABLE attempts AS SELECT a.*, t.created_at, t.planned_at, t.end_at
FROM read_parquet('{attempts}') a
JOIN tasks t USING (account, key)
"""

_OK, _BAD = "ended AND finish_result = 'success'", "ended AND finish_result = 'failed'"


def _n(condition: str) -> str:
    return f"count(*) FILTER (WHERE {condition})"


_SHARES = {
    "success_rate": (_n(_OK), _n("ended")),
    "yield": (_n("connected"), "count(*)"),
    "a_answer_rate": (_n("a_answered"), _n("a_answered IS NOT NULL")),
    "b_answer_rate": (_n("a_answered AND bridged"), _n("a_answered")),
    "bridge_rate": (_n("a_answered IS NOT NULL AND bridged"), _n("a_answered IS NOT NULL")),
    "asr": (
        f"{_n('a_answered')} + {_n('b_answered')}",
        f"{_n('a_answered IS NOT NULL')} + {_n('b_answered IS NOT NULL')}",
    ),
    "lost_share": ("sum(hooks_lost)", "coalesce(sum(hooks_expected) FILTER (WHERE settled), 0)"),
    "duplicate_share": ("sum(hooks_duplicate)", "sum(hooks_arrived) + sum(hooks_duplicate)"),
    "late_share": ("sum(hooks_late)", "sum(hooks_arrived) + sum(hooks_duplicate)"),
    "drift_share": (_n("drifts > 0"), _n("settled")),
    "inexact_share": (_n("ended AND NOT attempts_exact"), _n("ended")),
    "unknown_share": (_n("ended AND finish_result IS NULL"), _n("ended")),
}

_NUMBERS = {
    "tasks": "count(*)",
    "open": _n("NOT ended"),
    "finished": _n("ended"),
    "succeeded": _n(_OK),
    "failed": _n(_BAD),
    "exhausted": _n(f"{_BAD} AND attempts >= try_count"),
    "unknown": _n("ended AND finish_result IS NULL"),
    "attempts": "count(*)",
    "under_way": _n("connected IS NULL"),
    "connected": _n("connected"),
    "legs_known": _n("a_answered IS NOT NULL"),
    "acd_s": "avg(talk_s) FILTER (WHERE bridged)",
    "settled": _n("settled"),
    "inexact": _n("ended AND NOT attempts_exact"),
    "lost": "sum(hooks_lost)",
}

_DURATIONS = {
    "time_to_connect_s": "connect_s",
    "start_lateness_s": "lateness_s",
    "attempts_to_success": f"CASE WHEN {_OK} THEN attempts END",
}

_WEEKDAYS = "['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'][isodow(local)]"

_GAP = "CASE " + " ".join(
    f"WHEN gap_s >= {bound} THEN '{bound}'" for bound in (14_400, 3600, 900, 300, 120, 60, 30, 0)
)

_DIMENSIONS = {
    "account": "account",
    "queue": "coalesce(queue_id, '')",
    "day": "strftime(local, '%Y-%m-%d')",
    "week": "strftime(local, '%G-W%V')",
    "month": "strftime(local, '%Y-%m')",
    "hour": "strftime(local, '%H')",
    "weekday": f"isodow(local) || ' ' || {_WEEKDAYS}",
    "reason": "reason",
    "leg": "coalesce(failed_leg, '')",
    "extension": "extension_id",
    "gap": f"{_GAP} ELSE '' END",
}


class Parquet:
    """The exported tasks and attempts."""

    def __init__(self, folder: Path) -> None:
        self._db = duckdb.connect()
        self._db.execute(_TASKS.format(tasks=folder / "tasks.parquet"))
        self._db.execute(_ATTEMPTS.format(attempts=folder / "attempts.parquet"))

    def figure(
        self, counts: str, names: Sequence[str], by: Sequence[str], basis: str, zone: str
    ) -> dict[Key, Values]:
        """Key → the values of these names."""
        source = self._source(counts, by, basis, zone)
        attempt = "attempts::varchar" if counts == "tasks" else "number::varchar"
        keys = [attempt if name == "attempt" else _DIMENSIONS[name] for name in by]
        numbers = [name for name in names if name in _NUMBERS]
        shares = [name for name in names if name in _SHARES]
        picked = [*keys, *(_NUMBERS[name] for name in numbers)]
        picked += [part for name in shares for part in _SHARES[name]]
        grouped = f"GROUP BY {', '.join(map(str, range(1, len(by) + 1)))}" if by else ""
        rows = self._db.execute(f"SELECT {', '.join(picked)} FROM ({source}) {grouped}").fetchall()
        found: dict[Key, Values] = {}
        for row in rows:
            key, rest = row[: len(by)], row[len(by) :]
            values: Values = dict(zip(numbers, rest, strict=False))
            pairs = rest[len(numbers) :]
            values |= {name: _wilson(*pairs[2 * at : 2 * at + 2]) for at, name in enumerate(shares)}
            found[key] = values
        return found

    def quantiles(self, name: str, by: Sequence[str], basis: str, zone: str) -> dict[Key, Values]:
        """Key → number, median and ninth decile of a duration, exact, then rounded to two digits."""
        source = self._source("tasks", by, basis, zone)
        keys = "".join(f"{_DIMENSIONS[each]}, " for each in by)
        query = f"SELECT {keys}{_DURATIONS[name]} AS d FROM ({source}) WHERE d IS NOT NULL ORDER BY d"
        spread: dict[Key, list[float]] = {}
        for *key, duration in self._db.execute(query).fetchall():
            spread.setdefault(tuple(key), []).append(float(duration))
        return {
            key: {
                f"{name}_n": len(values),
                **{
                    f"{name}_{label}": float(f"{values[math.ceil(len(values) * part) - 1]:.2g}")
                    for label, part in (("p50", 0.5), ("p90", 0.9))
                },
            }
            for key, values in spread.items()
        }

    def _source(self, counts: str, by: Sequence[str], basis: str, zone: str) -> str:
        moment = {
            "created": "created_at",
            "finished": "end_at",
            "started": "started_at",
            "planned": "coalesce(planned_at, created_at)",
        }[basis]
        wheres = [f"{moment} IS NOT NULL"]
        wheres += ["reason IS NOT NULL"] if {"reason", "leg"} & set(by) else []
        wheres += ["coalesce(extension_id, '') <> ''"] if "extension" in by else []
        local = f"({moment} AT TIME ZONE '{zone}') AS local"
        return f"SELECT *, {local} FROM {counts} WHERE {' AND '.join(wheres)}"


def _wilson(k: Any, n: Any) -> Mapping[str, Any]:
    k, n = int(k or 0), int(n or 0)
    if not n:
        return {"k": k, "n": 0, "value": None, "low": None, "high": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from statsmodels.stats.proportion import proportion_confint

        low, high = proportion_confint(k, n, alpha=0.05, method="wilson")
    return {"k": k, "n": n, "value": k / n, "low": float(low), "high": float(high)}
