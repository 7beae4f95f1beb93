"""The page that says whether all is well: a sentence, figures, and the newest outcomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from receiver.analytics.report_words import ReportWords
from receiver.console.page import Page
from receiver.console.verdict import problems
from receiver.console.visit import Visit, task_key, task_path
from receiver.domain.calendar import Calendar
from receiver.http.schemas import Json, State
from receiver.i18n.catalogue import Phrase
from receiver.maintenance.status import AccountStatus, StatusView
from receiver.story.times import duration

STATES: tuple[State, ...] = get_args(State)

_ROWS = 10
"""Rows of the list of outcomes, filled or not, so that nothing below it moves."""

_STAGES = ("read", "fold", "find", "progress", "confirm", "call", "settle", "deliver")
_ENDED = ("finished", "gone", "withdrawn")


@dataclass(frozen=True, slots=True)
class OutcomeLine:
    """A row of the list: a task that ended. `how`: reason of a failure, as a sentence."""

    at: float
    link: str
    result: Literal["success", "failed", "unknown"]
    how: str
    people: str
    queue: str


async def read_overview(visit: Visit) -> Mapping[str, Any]:
    """Return the values of the page and of its live parts."""
    status: StatusView = await visit.get("/v1/status", zone=visit.times.zone)
    feed = await visit.get("/v1/outcomes", type="task.finished", newest=_ROWS)
    words = ReportWords(visit.preferences.language)
    lines = [_line(visit, event.data, event.timestamp) for event in feed.outcomes]
    waits = {wait.stage: wait for wait in status.waits}
    return {
        "status": status,
        "problems": problems(status, visit.times, words),
        "words": words,
        "sentence": visit.texts.render,
        "age": duration,
        "week_ago_until": _hour(visit.times.zone, status.today.week_ago_until) if status.today else "",
        "states": {state: status.tasks.get(state, 0) for state in STATES},
        "open_tasks": open_tasks(status.tasks),
        "waits": {stage: waits.get(stage) for stage in _STAGES},
        "quota": _least_quota(status.accounts),
        "outcomes": [*sorted(lines, key=lambda line: -line.at), *[None] * (_ROWS - len(lines))],
    }


def open_tasks(states: Mapping[State, int]) -> int:
    """Return the number of tasks that have not ended. `states`: state → number of tasks."""
    return sum(number for state, number in states.items() if state not in _ENDED)


def _hour(zone: str, at: float) -> str:
    """Return the end of an hour as `18:00`."""
    return f"{Calendar(zone).local(at - 1).hour + 1:02}:00"


def _line(visit: Visit, data: Json, at: float) -> OutcomeLine:
    result: Literal["success", "failed", "unknown"] = (
        "success" if data["result"] == "connected" else "unknown" if data["result"] == "unknown" else "failed"
    )
    numbers = (data[f"{leg}_number"] for leg in "ab")
    return OutcomeLine(
        at=at,
        link=task_path(data["account"], task_key(data)),
        result=result,
        how="" if result == "success" else visit.texts.render(_reason(data)),
        people=" →\u00a0".join(number["e164"] or number["raw"] for number in numbers if number),
        queue=data.get("queue_name") or data["queue_id"] or "",
    )


def _reason(data: Json) -> Phrase:
    leg = data["failed_leg"]
    if leg in ("a", "b"):
        return Phrase(f"story.reason.{data['result']}.side", {"side": Phrase(f"story.side.{leg}")})
    return Phrase(f"story.reason.{data['result']}.unknown")


def _least_quota(accounts: Sequence[AccountStatus]) -> AccountStatus | None:
    """Return the account with the smallest part of its quota left."""
    known = [each for each in accounts if each.quota_limit and each.quota_remaining is not None]
    return min(known, key=lambda each: (each.quota_remaining or 0) / (each.quota_limit or 1), default=None)


OVERVIEW = Page("", "overview.html", read_overview, menu="overview", live="overview_live.html")
