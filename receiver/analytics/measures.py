"""The measures as data: what each counts, from which sums, and what it means.

Success rate, yield, durations and health as callback analysts have them; ASR and ACD as in ITU-T E.425.
"""

from collections.abc import Mapping
from typing import Literal

from receiver.analytics.query import Dimension
from receiver.analytics.rollup_parts import ATTEMPT_COUNTS, TASK_COUNTS, Basis
from receiver.domain.frozen_record import frozen_record

CountNames = tuple[str, ...]
"""Names of counts that are added."""


@frozen_record
class MeasureColumn:
    """One value of a measure: the sum `of`; with `among` its share and interval; with `per` the mean,
    `of` divided by `per` and by 1000.
    """

    name: str
    about: str
    of: CountNames
    among: CountNames = ()
    per: CountNames = ()


@frozen_record
class Quantiles:
    """Quantiles of a duration in seconds, or of the number of attempts, to two digits. `of`: the slice with
    the values; `counted`: the count of each value.
    """

    name: str
    about: str
    of: Literal["connect", "lateness", "attempt"]
    counted: str


@frozen_record
class Measure:
    """`basis`: the moments by which tasks can be selected, the default first; `by`: the dimensions;
    `default_by`: the dimensions of a query that names none; `largest_first`: rows with more tasks come first.
    """

    name: str
    title: str
    about: str
    counts: Literal["tasks", "attempts"]
    basis: tuple[Basis, ...]
    by: tuple[Dimension, ...]
    columns: tuple[MeasureColumn, ...]
    quantiles: tuple[Quantiles, ...] = ()
    default_by: tuple[Dimension, ...] = ()
    largest_first: bool = False

    @property
    def has_parts(self) -> bool:
        """Whether a column is the share of a group in the tasks that did not succeed."""
        return any(column.name == "part" for column in self.columns)


_PLACE: tuple[Dimension, ...] = ("account", "queue")
_TIME: tuple[Dimension, ...] = ("day", "week", "month", "hour", "weekday")
_TASK_BASIS: tuple[Basis, ...] = ("created", "finished", "planned")
_ATTEMPT_BASIS: tuple[Basis, ...] = ("started", "created", "finished", "planned")
_FINISHED = ("succeeded", "failed", "unknown")

_TASKS = MeasureColumn("tasks", "All tasks.", ("tasks",))
_OPEN = MeasureColumn("open", "Tasks that have not ended.", ("open",))
_UNKNOWN = MeasureColumn("unknown", "Tasks that ended with an unknown result.", ("unknown",))
_SUCCEEDED = MeasureColumn("succeeded", "Tasks that connected A and B.", ("succeeded",))
_EXHAUSTED = MeasureColumn("exhausted", "Failed tasks that used all their attempts.", ("exhausted",))
_MADE = MeasureColumn("attempts", "Attempts.", ("attempts",))
_CONNECTED = MeasureColumn("connected", "Attempts that made their task a success.", ("connected",))
_YIELD = MeasureColumn("yield", "Connected among attempts.", ("connected",), ("attempts",))

MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure(
            "success",
            "Success rate",
            "Tasks that connected A and B, among finished tasks. Open tasks are not in the rate. By "
            "`attempt`: by the number of attempts of a task.",
            "tasks",
            _TASK_BASIS,
            (*_PLACE, *_TIME, "attempt", "reason", "leg", "extension"),
            (
                _TASKS,
                _OPEN,
                MeasureColumn("finished", "Tasks that have ended.", _FINISHED),
                _SUCCEEDED,
                MeasureColumn("failed", "Tasks that failed.", ("failed",)),
                _EXHAUSTED,
                _UNKNOWN,
                MeasureColumn("success_rate", "Succeeded among finished.", ("succeeded",), _FINISHED),
            ),
        ),
        Measure(
            "attempts",
            "Attempts and legs",
            "Yield of attempts; A-answer, B-answer and bridge rate and ASR of attempts whose legs are known "
            "from call history.",
            "attempts",
            _ATTEMPT_BASIS,
            (*_PLACE, *_TIME, "attempt", "reason", "leg", "extension"),
            (
                _MADE,
                MeasureColumn("under_way", "Attempts that have not ended yet.", ("under_way",)),
                _CONNECTED,
                _YIELD,
                MeasureColumn(
                    "legs_known",
                    "Attempts whose legs are known; base of the rates below.",
                    ("legs_known",),
                ),
                MeasureColumn("a_answer_rate", "A answered.", ("a_answered",), ("legs_known",)),
                MeasureColumn("b_answer_rate", "Bridged, where A answered.", ("bridged",), ("a_answered",)),
                MeasureColumn("bridge_rate", "Bridged.", ("bridged",), ("legs_known",)),
                MeasureColumn(
                    "asr", "Answered among dialled legs (answer-seizure ratio).", ("answers",), ("seizures",)
                ),
                MeasureColumn(
                    "acd_s", "Mean talk of bridged calls, seconds (ACD).", ("talk_ms",), per=("talks",)
                ),
            ),
        ),
        Measure(
            "yield",
            "Attempt yield",
            "Of the tasks that made attempt k, the share that it connected.",
            "attempts",
            ("created", "finished", "planned", "started"),
            (*_PLACE, "day", "week", "month", "attempt"),
            (_MADE, _CONNECTED, _YIELD),
            default_by=("attempt",),
        ),
        Measure(
            "tries",
            "Attempts to success",
            "Number of attempts until success. Exhausted and open tasks are counted apart, since they would "
            "need more.",
            "tasks",
            _TASK_BASIS,
            (*_PLACE, *_TIME),
            (
                *(_SUCCEEDED, _EXHAUSTED, _OPEN),
                MeasureColumn(
                    "inexact",
                    "Ended tasks with only a lower bound of attempts.",
                    ("inexact",),
                ),
            ),
            (Quantiles("attempts_to_success", "Attempts of tasks that succeeded.", "attempt", "succeeded"),),
        ),
        Measure(
            "timing",
            "Time to connect and lateness",
            "Seconds from the planned start to the first bridge, and to the first attempt.",
            "tasks",
            _TASK_BASIS,
            (*_PLACE, *_TIME),
            (_TASKS, _SUCCEEDED),
            (
                Quantiles("time_to_connect_s", "From planned start to first bridge.", "connect", "tasks"),
                Quantiles("start_lateness_s", "From planned start to first attempt.", "lateness", "tasks"),
            ),
        ),
        Measure(
            "pauses",
            "Retry pauses",
            "Yield of repeated attempts by the seconds since the start of the attempt before; each class is "
            "named by its lower bound. Observational: tasks with other pauses may differ in other ways too.",
            "attempts",
            _ATTEMPT_BASIS,
            (*_PLACE, "attempt", "gap"),
            (_MADE, _CONNECTED, _YIELD),
            default_by=("attempt", "gap"),
        ),
        Measure(
            "hours",
            "Best hour",
            "Yield of attempts by weekday and hour of their start.",
            "attempts",
            ("started",),
            (*_PLACE, "hour", "weekday"),
            (_MADE, _CONNECTED, _YIELD),
            default_by=("hour", "weekday"),
        ),
        Measure(
            "reasons",
            "Failure reasons",
            "Reasons of tasks that ended without success. By `word`: the vendor's words and the reasons that "
            "they were mapped to; words under `failed` and `unknown` match no pattern.",
            "tasks",
            _TASK_BASIS,
            (*_PLACE, *_TIME, "reason", "leg", "word"),
            (
                _TASKS,
                MeasureColumn(
                    "part", "Share in all tasks without success of the same group.", ("tasks",), ("tasks",)
                ),
            ),
            default_by=("reason",),
            largest_first=True,
        ),
        Measure(
            "health",
            "Data health",
            "How reliable the measures are: lost, duplicate and late hooks, disagreements of hooks and API.",
            "tasks",
            _TASK_BASIS,
            (*_PLACE, *_TIME),
            (
                MeasureColumn("settled", "Tasks for which no more hooks are expected.", ("settled",)),
                MeasureColumn("lost", "Lost hooks of settled tasks.", ("lost",)),
                MeasureColumn("lost_share", "Lost among expected hooks.", ("lost",), ("expected",)),
                MeasureColumn(
                    "duplicate_share",
                    "Duplicates among hooks.",
                    ("duplicates",),
                    ("arrived", "duplicates"),
                ),
                MeasureColumn(
                    "late_share",
                    "Came after the task was settled.",
                    ("late",),
                    ("arrived", "duplicates"),
                ),
                MeasureColumn("drift_share", "Settled tasks with drift.", ("drifted",), ("settled",)),
                MeasureColumn("unknown_share", "Finished with an unknown result.", ("unknown",), _FINISHED),
                MeasureColumn(
                    "inexact_share",
                    "Finished, lower bound of attempts.",
                    ("inexact",),
                    _FINISHED,
                ),
            ),
        ),
    )
}


def counts_of(measure: Measure) -> tuple[str, ...]:
    """Return the names of the counts that a measure is computed from."""
    columns = measure.columns
    used = {name for column in columns for name in (*column.of, *column.among, *column.per)}
    return tuple(name for name in (*TASK_COUNTS, *ATTEMPT_COUNTS) if name in used)
