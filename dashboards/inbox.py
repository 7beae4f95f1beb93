"""Panels of the intake board about the inbox: are hooks read, how many wait, what is set aside."""

from dashboards import limits
from dashboards.face import Face
from dashboards.panels import lines, stat
from dashboards.query import Query, grown, highest, in_tables, rate
from receiver.settings.models import InboxSettings

_OLDEST = "pipeline_oldest_pending_age_seconds"
_FIELDS = InboxSettings.model_fields
_PARTS = (
    f"{highest('pipeline_backlog', 'job', 'stage', stage='read')} / {_FIELDS['max_hooks'].default}",
    f"{highest('inbox_bytes', 'job')} / {_FIELDS['max_bytes'].default}",
)


FILLED = stat(
    Face(
        "Inbox full",
        "The share of the hooks, or of the bytes, that the inbox takes by default: whichever is more. Once "
        "it is full, hooks are answered 503.",
        "percentunit",
        limits.INBOX_FILLING,
    ),
    Query(f"max({' or '.join(_PARTS)})"),
    size=(3, 4),
)


OLDEST = stat(
    Face(
        "Oldest not folded",
        "Age of the oldest hook that is not read, or of the oldest fact that is in no timeline.",
        "s",
        limits.READING_STALLED,
    ),
    Query(highest(_OLDEST, stage="read|fold")),
    size=(3, 4),
)


SET_ASIDE = stat(
    Face(
        "Set aside",
        "Hooks that could not be read and tasks that could not be folded because of a fault of ours.",
        limit=limits.SET_ASIDE,
    ),
    Query(in_tables("set_aside")),
    size=(3, 4),
)


READ = (
    lines(
        Face(
            "Hooks read by outcome",
            "Hooks taken out of the inbox, per second. `unreadable`: the task is known, the content could "
            "not be read; `set_aside`: names no task, or could not be read because of a fault of ours; "
            "`doubled`: was in the ledger already, as after a crash.",
            "reqps",
        ),
        Query(rate("hooks_read_total", "outcome"), "{{outcome}}"),
        stacked=True,
    ),
    lines(
        Face(
            "Age of the oldest hook and fact",
            "Since when it waits. `read`: the oldest hook that is not read; `fold`: the oldest fact that is "
            "in no timeline.",
            "s",
            limits.READING_STALLED,
        ),
        Query(highest(_OLDEST, "stage", stage="read|fold"), "{{stage}}"),
    ),
    lines(
        Face(
            "Hooks and tasks that wait to be read and folded",
            "How many. `read`: hooks in the inbox; `fold`: tasks with new facts, which their timelines do "
            "not have yet.",
        ),
        Query(in_tables("pipeline_backlog", "stage", stage="read|fold"), "{{stage}}"),
        size=(6, 8),
    ),
    lines(
        Face("Bytes in the inbox", "Size of the hooks that are not read.", "bytes"),
        Query(in_tables("inbox_bytes"), "bytes"),
        size=(6, 8),
    ),
    lines(
        Face(
            "Set aside by kind",
            "Hooks that could not be read and tasks that could not be folded because of a fault of ours. "
            "They are tried again automatically.",
            limit=limits.SET_ASIDE,
        ),
        Query(in_tables("set_aside", "kind"), "{{kind}}"),
        size=(6, 8),
    ),
    lines(
        Face("Failed attempts to fold", "In 15 minutes, of all tasks that are set aside."),
        Query(grown("fold_failures_total", over="15m"), "failed"),
        size=(6, 8),
    ),
)
