"""The figures as data: of what sums each is made, whether it counts tasks or attempts, and what it means.

Success rate, yield, durations and health as callback analysts have them; ASR and ACD as in ITU-T E.425.
"""

from collections.abc import Mapping
from typing import Literal

from receiver.analytics.query import Dimension
from receiver.analytics.rollup_parts import ATTEMPT_COUNTS, TASK_COUNTS, Basis
from receiver.domain.frozen_record import frozen_record

Sum = tuple[str, ...]
"""Names of counts that are added up."""


@frozen_record(frozen=True, slots=True)
class Column:
    """`of` alone: a number; with `among`: the share of the one in the other, with its interval; with `per`:
    the mean, `of` divided by it and by 1000.
    """

    name: str
    about: str
    of: Sum
    among: Sum = ()
    per: Sum = ()


@frozen_record(frozen=True, slots=True)
class Quantiles:
    """Quantiles of a duration in seconds, or of the number of attempts, to two digits. `of`: the slice whose
    values they are of; `counted`: what is counted of each value.
    """

    name: str
    about: str
    of: Literal["connect", "lateness", "attempt"]
    counted: str


@frozen_record(frozen=True, slots=True)
class Figure:
    """`basis`: the moments by which it may be asked, the default first; `by`: by what it may be told apart;
    `default_by`: by what it is told apart where nobody says so; `largest_first`: rows with more tasks
    come first.
    """

    name: str
    title: str
    about: str
    counts: Literal["tasks", "attempts"]
    basis: tuple[Basis, ...]
    by: tuple[Dimension, ...]
    columns: tuple[Column, ...]
    quantiles: tuple[Quantiles, ...] = ()
    default_by: tuple[Dimension, ...] = ()
    largest_first: bool = False


_PLACE: tuple[Dimension, ...] = ("account", "queue")
_TIME: tuple[Dimension, ...] = ("day", "week", "month", "hour", "weekday")
_TASK_BASIS: tuple[Basis, ...] = ("created", "finished")
_ATTEMPT_BASIS: tuple[Basis, ...] = ("started", "created", "finished")
_FINISHED = ("succeeded", "failed", "unknown")

_TASKS = Column("tasks", "All tasks.", ("tasks",))
_OPEN = Column("open", "Tasks that have not ended.", ("open",))
_UNKNOWN = Column("unknown", "Tasks that ended, and nobody said how.", ("unknown",))
_SUCCEEDED = Column("succeeded", "Tasks that connected the two.", ("succeeded",))
_EXHAUSTED = Column("exhausted", "Failed tasks that used all their attempts.", ("exhausted",))
_MADE = Column("attempts", "Attempts that were made.", ("attempts",))
_CONNECTED = Column("connected", "Attempts that made their task a success.", ("connected",))
_YIELD = Column("yield", "Connected among all that were made.", ("connected",), ("attempts",))

FIGURES: Mapping[str, Figure] = {
    each.name: each
    for each in (
        Figure(
            "success",
            "Success rate",
            "Tasks that connected the two, among those that have ended; open ones beside it, not in it. By "
            "`attempt`: by how many attempts a task has made.",
            "tasks",
            _TASK_BASIS,
            (*_PLACE, *_TIME, "attempt", "reason", "leg", "extension"),
            (
                _TASKS,
                _OPEN,
                Column("finished", "Tasks that have ended.", _FINISHED),
                _SUCCEEDED,
                Column("failed", "Tasks that failed.", ("failed",)),
                _EXHAUSTED,
                _UNKNOWN,
                Column("success_rate", "Succeeded among finished.", ("succeeded",), _FINISHED),
            ),
        ),
        Figure(
            "attempts",
            "Attempts and legs",
            "How attempts fare: yield; A-answer, B-answer and bridge rate and ASR where the legs are known, "
            "which is where call history has the call.",
            "attempts",
            _ATTEMPT_BASIS,
            (*_PLACE, *_TIME, "attempt", "reason", "leg", "extension"),
            (
                _MADE,
                Column("under_way", "Attempts whose end is not known yet.", ("under_way",)),
                _CONNECTED,
                _YIELD,
                Column(
                    "legs_known",
                    "Attempts whose legs are known; the rates below are of these.",
                    ("legs_known",),
                ),
                Column("a_answer_rate", "A answered.", ("a_answered",), ("legs_known",)),
                Column("b_answer_rate", "Bridged, where A answered.", ("bridged",), ("a_answered",)),
                Column("bridge_rate", "Bridged.", ("bridged",), ("legs_known",)),
                Column(
                    "asr", "Answered among dialled legs (answer-seizure ratio).", ("answers",), ("seizures",)
                ),
                Column("acd_s", "Mean talk of bridged calls, seconds (ACD).", ("talk_ms",), per=("talks",)),
            ),
        ),
        Figure(
            "yield",
            "Attempt yield",
            "Of the tasks that made attempt k, those that it connected.",
            "attempts",
            ("created", "finished", "started"),
            (*_PLACE, "day", "week", "month", "attempt"),
            (_MADE, _CONNECTED, _YIELD),
            default_by=("attempt",),
        ),
        Figure(
            "tries",
            "Attempts to success",
            "How many attempts successes took. Exhausted and open tasks stand apart: theirs would be more.",
            "tasks",
            _TASK_BASIS,
            (*_PLACE, *_TIME),
            (
                *(_SUCCEEDED, _EXHAUSTED, _OPEN),
                Column(
                    "inexact", "Ended tasks that made at least as many attempts as counted.", ("inexact",)
                ),
            ),
            (Quantiles("attempts_to_success", "Attempts of tasks that succeeded.", "attempt", "succeeded"),),
        ),
        Figure(
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
        Figure(
            "pauses",
            "Retry pauses",
            "Yield of further attempts by the time since the start of the one before: seconds from the bound "
            "named. Observational: tasks with other pauses may differ in other things too.",
            "attempts",
            _ATTEMPT_BASIS,
            (*_PLACE, "attempt", "gap"),
            (_MADE, _CONNECTED, _YIELD),
            default_by=("attempt", "gap"),
        ),
        Figure(
            "hours",
            "Best hour",
            "Yield of attempts by weekday and hour of their start.",
            "attempts",
            ("started",),
            (*_PLACE, "hour", "weekday"),
            (_MADE, _CONNECTED, _YIELD),
            default_by=("hour", "weekday"),
        ),
        Figure(
            "reasons",
            "Failure reasons",
            "What tasks came to that ended and did not succeed. By `word`: the vendor's words and the reason "
            "each was taken for; those under `failed` and `unknown` fit no pattern.",
            "tasks",
            _TASK_BASIS,
            (*_PLACE, *_TIME, "reason", "leg", "word"),
            (
                _TASKS,
                Column(
                    "part", "Share in all that did not succeed of the same group.", ("tasks",), ("tasks",)
                ),
            ),
            default_by=("reason",),
            largest_first=True,
        ),
        Figure(
            "health",
            "Data health",
            "How far to trust the figures: hooks lost, doubled and late, disagreements of hooks and API.",
            "tasks",
            _TASK_BASIS,
            (*_PLACE, *_TIME),
            (
                Column("settled", "Tasks for which late hooks are waited for no more.", ("settled",)),
                Column("lost", "Lost hooks of these.", ("lost",)),
                Column("lost_share", "Lost among those that had to come.", ("lost",), ("expected",)),
                Column("duplicate_share", "Came again.", ("duplicates",), ("arrived", "duplicates")),
                Column("late_share", "Came when waited for no more.", ("late",), ("arrived", "duplicates")),
                Column("drift_share", "Settled tasks with drift.", ("drifted",), ("settled",)),
                Column("unknown_share", "Ended, nobody said how.", ("unknown",), _FINISHED),
                Column("inexact_share", "Ended, made so many attempts or more.", ("inexact",), _FINISHED),
            ),
        ),
    )
}


def counts_of(figure: Figure) -> tuple[str, ...]:
    """The sums that a figure is made of."""
    wanted = {name for each in figure.columns for name in (*each.of, *each.among, *each.per)}
    return tuple(name for name in (*TASK_COUNTS, *ATTEMPT_COUNTS) if name in wanted)
