"""Intake and pipeline: are hooks taken in, quickly, and do they go on."""

from dashboards import limits
from dashboards.board import Board, Row
from dashboards.face import BAD, GOOD, Face
from dashboards.panels import Column, heat, lines, stat, table
from dashboards.query import (
    Query,
    buckets,
    grown,
    highest,
    in_tables,
    or_none,
    quantile,
    rate,
    series,
    share,
    total,
)

_HOOKS = "intake_requests_total"
_ANSWERS = "intake_request_duration_seconds"
_OVERDUE = "pipeline_oldest_pending_age_seconds"
ALARMED = "confirm|call|settle"
"""What may not be overdue."""

_IN_TIME = float(limits.LATENCY.within)


def _before(time: str) -> str:
    return f"sum(increase({series(_HOOKS, outcome='!refused')}[15m] offset {time}))"


_FINE = (
    stat(Face("Hooks", "Requests to hook URLs, per second.", "reqps"), Query(rate(_HOOKS))),
    stat(
        Face(
            "Not kept",
            "The share of the hooks in the range that were answered 503 because the store was in "
            f"trouble. Promised over 30 days: at most {100 * (1 - limits.INTAKE.kept):g} %.",
            "percentunit",
            steps=((None, GOOD), (round(1 - limits.INTAKE.kept, 6), BAD)),
        ),
        Query(
            share(grown(_HOOKS, outcome="unavailable"), grown(_HOOKS, outcome="!refused")), is_instant=True
        ),
    ),
    stat(
        Face(
            "Answer of the slowest 1 %",
            f"99 of 100 hooks are answered quicker. Promised over 30 days: {_IN_TIME:g} s.",
            "s",
            steps=((None, GOOD), (_IN_TIME, BAD)),
        ),
        Query(quantile(0.99, _ANSWERS)),
    ),
    stat(
        Face(
            "Oldest fact not folded",
            "Age of the oldest fact that is recorded and not in its timeline yet.",
            "s",
            limits.FOLD_STALLED,
        ),
        Query(highest(_OVERDUE, stage="fold")),
    ),
    stat(
        Face(
            "Longest overdue",
            "How long the longest wait is overdue that is not for the scheduler to begin: `confirm`, "
            "`call` or `settle`.",
            "s",
            limits.PIPELINE_STALLED,
        ),
        Query(highest(_OVERDUE, stage=ALARMED)),
    ),
    stat(
        Face(
            "Facts set aside",
            "Facts in the last 15 minutes that could not be folded: an error of ours, the facts are kept.",
            limit=limits.FOLD_FAILURES,
        ),
        Query(grown("fold_failures_total", over="15m")),
    ),
)


_COMES = (
    lines(
        Face(
            "Hooks by outcome",
            "Per second. `recorded`: kept; `unreadable` and `set_aside`: kept, but of no task that is "
            "known; `refused`: without a right; `unavailable`: the store was in trouble, the scheduler "
            "has to come again.",
            "reqps",
        ),
        Query(rate(_HOOKS, "outcome"), "{{outcome}}"),
        stacked=True,
    ),
    lines(
        Face("Hooks by event", "Per second, whatever became of them.", "reqps"),
        Query(rate(_HOOKS, "event"), "{{event}}"),
        stacked=True,
    ),
    lines(
        Face(
            "Hooks now and a week ago",
            "Hooks in 15 minutes, beside the same time a week ago, or as long as there was none, of "
            "yesterday: none now, but more than the line then, is silence.",
            limit=limits.INTAKE_SILENT,
        ),
        Query(grown(_HOOKS, over="15m", outcome="!refused"), "now"),
        Query(or_none(f"{_before('1w')} or {_before('1d')}"), "then"),
        size=(8, 8),
    ),
    heat(Face("Size of hooks", "Bodies by size.", "bytes"), buckets("intake_payload_bytes"), size=(8, 8)),
    lines(
        Face(
            "Anomalies",
            "Facts that did not fit their timeline, per minute, by kind; they are kept and change "
            "nothing else.",
            "cpm",
        ),
        Query(f"60 * {rate('anomalies_total', 'kind')}", "{{kind}}"),
        size=(8, 8),
    ),
)


_QUICK = (
    lines(
        Face(
            "Time to answer",
            f"From the first byte read to the answer; promised: {100 * limits.LATENCY.kept:g} % within "
            f"{_IN_TIME:g} s.",
            "s",
            steps=((None, GOOD), (_IN_TIME, BAD)),
        ),
        *(Query(quantile(each, _ANSWERS), f"p{100 * each:g}") for each in (0.5, 0.95, 0.99)),
    ),
    heat(Face("Answers by time", "How long hooks took to be answered.", "s"), buckets(_ANSWERS)),
    lines(
        Face(
            "Where the time goes",
            "99 of 100 are quicker: how long the first hook of a batch waited for its commit, and how "
            "long commits took.",
            "s",
        ),
        Query(quantile(0.99, "intake_wait_seconds"), "wait p99"),
        Query(quantile(0.99, "intake_commit_seconds"), "commit p99"),
        size=(8, 8),
    ),
    lines(
        Face(
            "Hooks per commit",
            "How many are made durable together: half of the commits, and 95 of 100, have fewer.",
        ),
        *(Query(quantile(each, "intake_batch_size"), f"p{100 * each:g}") for each in (0.5, 0.95)),
        size=(8, 8),
    ),
    lines(
        Face("Hooks being served", "Requests to hook URLs that are not answered yet."),
        Query(total("intake_in_flight_requests", "instance"), "{{instance}}"),
        size=(8, 8),
    ),
)


_GOES_ON = (
    lines(
        Face(
            "Lag by stage",
            "Half, and 99 of 100, are quicker: from a hook's arrival until it is durable; from a task's "
            "end until the API has confirmed it; from the fact that made a message until it is delivered.",
            "s",
        ),
        Query(quantile(0.5, "pipeline_lag_seconds", "stage"), "{{stage}} p50"),
        Query(quantile(0.99, "pipeline_lag_seconds", "stage"), "{{stage}} p99"),
    ),
    lines(
        Face(
            "Overdue by stage",
            "How long the longest wait is overdue, by what it waits for. While `find` and `progress` "
            "wait the scheduler has not begun, which may take all night: they alarm nobody.",
            "s",
            limits.PIPELINE_STALLED,
        ),
        Query(highest(_OVERDUE, "stage"), "{{stage}}"),
    ),
    lines(
        Face("Waits by what for", "Tasks that wait; `fold`: facts that are not in their timeline yet."),
        Query(in_tables("pipeline_backlog", "stage"), "{{stage}}"),
    ),
    table(
        Face("Findings", "What is wrong with tasks and has not been mended, by category and kind."),
        Query(in_tables("findings", "category", "kind"), is_instant=True),
        columns=(
            Column("category", "Category"),
            Column("kind", "Kind"),
            Column("Value", "Findings", "short"),
        ),
    ),
)


BOARD = Board(
    "intake",
    "Receiver · Intake and pipeline",
    "Are hooks kept and answered quickly, and do they go on through the house?",
    (
        Row("Is it fine?", _FINE),
        Row("What comes in?", _COMES),
        Row("How quick are the answers?", _QUICK),
        Row("Does it go on from there?", _GOES_ON),
    ),
)
