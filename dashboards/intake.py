"""Intake and pipeline: are hooks taken in, quickly, and do they go on."""

from dashboards import inbox, limits
from dashboards.board import Board, Row
from dashboards.face import BAD, GOOD, Face
from dashboards.objectives import AUTHENTIC
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
_CLOSED = "intake_connections_closed_total"
_OVERDUE = "pipeline_oldest_pending_age_seconds"
ALARMED = "confirm|call|settle"
"""What may not be overdue."""

_IN_TIME = float(limits.LATENCY.within)


def _before(time: str) -> str:
    return f"sum(increase({series(_HOOKS, outcome=AUTHENTIC)}[15m] offset {time}))"


_FINE = (
    stat(
        Face("Hooks", "Hooks that came in, per second, without what was refused.", "reqps"),
        Query(rate(_HOOKS, outcome=AUTHENTIC)),
        size=(3, 4),
    ),
    stat(
        Face(
            "Not kept",
            "The share of the hooks in the range that were answered 503 because they could not be stored. "
            f"Promised over 30 days: at most {100 * (1 - limits.INTAKE.kept):g} %.",
            "percentunit",
            steps=((None, GOOD), (round(1 - limits.INTAKE.kept, 6), BAD)),
        ),
        Query(share(grown(_HOOKS, outcome="unavailable"), grown(_HOOKS, outcome=AUTHENTIC)), is_instant=True),
        size=(3, 4),
    ),
    stat(
        Face(
            "Answer of the slowest 1 %",
            f"99 of 100 hooks are answered quicker. Promised over 30 days: {_IN_TIME:g} s.",
            "s",
            steps=((None, GOOD), (_IN_TIME, BAD)),
        ),
        Query(quantile(0.99, _ANSWERS)),
        size=(3, 4),
    ),
    stat(
        Face(
            "Closed at the limit",
            "Connections that were closed in the last 15 minutes to make room for new ones.",
            limit=limits.CONNECTIONS_AT_LIMIT,
        ),
        Query(f"round({grown(_CLOSED, over='15m', reason='limit')})"),
        size=(3, 4),
    ),
    inbox.FILLED,
    inbox.OLDEST,
    stat(
        Face(
            "Longest overdue",
            "How long the longest wait is overdue that is not for the scheduler to begin: `confirm`, "
            "`call` or `settle`.",
            "s",
            limits.PIPELINE_STALLED,
        ),
        Query(highest(_OVERDUE, stage=ALARMED)),
        size=(3, 4),
    ),
    inbox.SET_ASIDE,
)


_COMES = (
    lines(
        Face(
            "Requests by outcome",
            "Per second. `recorded`: on disk; `refused`: not authentic, or ended early; `malformed`: not "
            "valid HTTP; `unavailable`: could not be stored, the scheduler has to come again.",
            "reqps",
        ),
        Query(rate(_HOOKS, "outcome"), "{{outcome}}"),
        stacked=True,
    ),
    lines(
        Face(
            "Requests by event",
            "Per second, by the event in the URL; `unknown`: the URL names none of ours.",
            "reqps",
        ),
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
        Query(grown(_HOOKS, over="15m", outcome=AUTHENTIC), "now"),
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
    lines(
        Face("Connections", "Open connections to the hook listener, by instance."),
        Query(total("intake_connections", "instance"), "{{instance}}"),
        size=(8, 8),
    ),
    lines(
        Face(
            "Connections closed by reason",
            "Connections that the hook listener closed by itself, per minute. `limit`: to make room for new "
            "ones; `idle_timeout`: nothing came; `head_timeout`, `body_timeout`: a request came too slowly; "
            "`unread_timeout`: the sender does not read its answers.",
            "cpm",
        ),
        Query(f"60 * {rate(_CLOSED, 'reason')}", "{{reason}}"),
        size=(8, 8),
    ),
    lines(
        Face(
            "Refused by what did not fit",
            "Per minute. `key`, `mac`, `secret`, `address`, `event`: hooks of an account of ours, perhaps; "
            "`path`, `account`, `http`: mostly strangers. `receiver capture --refused` shows "
            "the latest.",
            "cpm",
        ),
        Query(f"60 * {rate('intake_refused_total', 'part')}", "{{part}}"),
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
        Face("Hooks being served", "Requests on the hook listener that are not answered yet."),
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
            "How long the longest wait is overdue, by what it waits for; of `read` and `fold` its age. While "
            "`find` and `progress` wait the scheduler has not begun, which may take all night: they alarm "
            "nobody.",
            "s",
            limits.PIPELINE_STALLED,
        ),
        Query(highest(_OVERDUE, "stage"), "{{stage}}"),
    ),
    lines(
        Face(
            "Waits by what for",
            "Hooks in the inbox (`read`), and tasks; those of `fold` have facts that are not in their "
            "timelines yet.",
        ),
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
        Row("Are hooks read and folded?", inbox.READ),
        Row("Does it go on from there?", _GOES_ON),
    ),
)
