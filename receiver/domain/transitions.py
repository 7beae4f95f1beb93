"""The one table of transitions: which stage of a task follows which, by what was said.

Facts are put in order of *rank*, never of a clock, and walked through the table. Read a cell as "hearing
this word (row) in this stage (column), the task is then in …". A `!` marks a contradiction: the stage follows
the word all the same, and an anomaly is recorded; if it was the hooks, the API settles it. A `.` is a pair
that does not fit: the stage stays, and an anomaly is recorded. Nothing here raises.
"""

from collections.abc import Iterable
from operator import attrgetter

from receiver.domain.frozen_record import frozen_record

TABLE = """
                 new        scheduled  executed   delayed    connected  ended      succeeded  failed     gone
scheduled        scheduled  scheduled  .          .          .          .          .          .          .
before           executed   executed   executed   executed   .          .          .          .          .
executed         executed   executed   executed   executed   .          .          .          .          .
delayed          delayed    delayed    delayed    delayed    .          .          .          .          .
before_again     executed   executed   executed   executed   .          .          .          .          .
success          connected  connected  connected  connected  connected  .          .          .          .
after            ended      ended      ended      ended      succeeded  ended      succeeded  failed     .
after_success    succeeded  succeeded  succeeded  succeeded  succeeded  succeeded  succeeded  .          .
after_failed     failed     failed     failed     failed     !ended     failed     .          failed     .
finished         ended      ended      ended      ended      succeeded  ended      succeeded  failed     .
finished_success succeeded  succeeded  succeeded  succeeded  succeeded  succeeded  succeeded  !succeeded .
finished_failed  failed     failed     failed     failed     !failed    failed     !failed    failed     .
gone             gone       gone       gone       gone       gone       ended      succeeded  failed     gone
"""

STATES: dict[str, str] = {"ended": "finished", "succeeded": "finished", "failed": "finished"}
"""Stage → the state that users see, where the two differ: a state does not tell the result."""

RESULTS: dict[str, str] = {"connected": "success", "succeeded": "success", "failed": "failed"}
"""Stage → finish_result; absent means not known."""


def _parse(table: str) -> dict[tuple[str, str], tuple[str, bool]]:
    """(stage, word) → the stage that follows, and whether the word fits."""
    stages, *rows = [line.split() for line in table.strip().splitlines()]
    cells = ((stage, word, cell) for word, *row in rows for stage, cell in zip(stages, row, strict=True))
    return {
        (stage, word): (cell.removeprefix("!"), cell[0] != "!") for stage, word, cell in cells if cell != "."
    }


_NEXT = _parse(TABLE)
_ORDER = attrgetter("rank", "fact_id")


@frozen_record
class Step:
    """A word on the task's way and its rank; equal ranks are told apart by the fact's id."""

    rank: tuple[float, ...]
    word: str
    fact_id: str


@frozen_record
class Walk:
    """Where the steps led, and the steps that did not fit as (stage, word, fact id)."""

    stage: str
    misfits: tuple[tuple[str, str, str], ...]


def walk(steps: Iterable[Step]) -> Walk:
    """Follow the steps in order of rank through the table."""
    stage = "new"
    misfits = []
    for step in sorted(steps, key=_ORDER):
        following, fits = _NEXT.get((stage, step.word), (stage, False))
        if not fits:
            misfits.append((stage, step.word, step.fact_id))
        stage = following
    return Walk(stage, tuple(misfits))
