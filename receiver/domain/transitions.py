"""The table of transitions: the stage that follows each trigger in each stage.

Steps are sorted by rank, not by time, and walked through the table. A row is a trigger, a column the present
stage, a cell the next stage. `!` marks a contradiction: the stage changes, and an anomaly is recorded. `.`
marks a pair that does not fit: the stage stays, and an anomaly is recorded. Nothing here raises.
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
"""Stage → the state that users see, if they differ. A state does not include the result."""

RESULTS: dict[str, str] = {"connected": "success", "succeeded": "success", "failed": "failed"}
"""Stage → finish_result. For other stages it is not known."""


def _parse(table: str) -> dict[tuple[str, str], tuple[str, bool]]:
    """Return (stage, trigger) → the next stage, and whether the trigger fits."""
    stages, *rows = [line.split() for line in table.strip().splitlines()]
    return {
        (stage, trigger): (cell.removeprefix("!"), cell[0] != "!")
        for trigger, *row in rows
        for stage, cell in zip(stages, row, strict=True)
        if cell != "."
    }


_NEXT = _parse(TABLE)
_ORDER = attrgetter("rank", "fact_id")


@frozen_record
class Step:
    """A trigger and its rank. Steps of equal rank are sorted by the fact's id."""

    rank: tuple[float, ...]
    trigger: str
    fact_id: str


@frozen_record
class Walk:
    """The final stage, and the steps that did not fit as (stage, trigger, fact id)."""

    stage: str
    misfits: tuple[tuple[str, str, str], ...]


def walk(steps: Iterable[Step]) -> Walk:
    """Walk the steps through the table in order of rank."""
    stage, misfits = "new", []
    for step in sorted(steps, key=_ORDER):
        next_stage, fits = _NEXT.get((stage, step.trigger), (stage, False))
        if not fits:
            misfits.append((stage, step.trigger, step.fact_id))
        stage = next_stage
    return Walk(stage, tuple(misfits))
