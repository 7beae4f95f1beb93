"""Tasks of known fates, told to a store."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import count
from zoneinfo import ZoneInfo

from receiver.analytics.measures import MEASURES
from receiver.analytics.query import AnalyticsQuery, Dimension
from receiver.analytics.report import MeasureReport, build_report
from receiver.domain.calendar import Calendar
from receiver.domain.facts import (
    EVENTS,
    CallRecord,
    Event,
    Fact,
    HookEvent,
    TaskSettled,
    TaskSnapshot,
    hook_fact,
    observation,
)
from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Store
from tests.ledger.projecting import PROJECTOR

PAUSE_S, RING_S, TALK_S = 60.0, 10.0, 40.0
ACCOUNT, A, B = "acme", "+79990000001", "+79990000002"


def at(moment: str, zone: str = "UTC") -> float:
    """A moment by the clocks of a zone, as epoch seconds; the first of two where the clocks go back."""
    return datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone)).timestamp()


class Lives:
    """Makes whole lives of tasks: each attempt rings for 10 s, one that connects talks for 40 s."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def task(
        self,
        start: float,
        ends: Sequence[str],
        *,
        queue: str = "5",
        extension: str | None = None,
        tries: int = 3,
        account: str = ACCOUNT,
        is_open: bool = False,
        is_settled: bool = True,
        created_at: float | None = None,
    ) -> list[Fact]:
        """`ends`: one word an attempt, such as `a:USER_BUSY`, `b:NO_ANSWER` or `ok`; all calls are known."""
        number = next(self._numbers)
        about = f"r{number}", str(number)
        facts: list[Fact] = []
        began = start
        for tried, end in enumerate(ends, start=1):
            event: Event = "before" if tried == 1 else "before_again"
            call = f"c{number}-{tried}"
            facts.append(
                hook_fact(account, f"{number}-{tried}", began, HookEvent(event, call), (about[0], None))
            )
            facts.append(observation(account, began + 100, _call(call, began, end), about))
            last, began = began, began + PAUSE_S + RING_S
        if is_open:
            return facts
        result = "success" if ends and ends[-1] == "ok" else "failed"
        over = last + RING_S + TALK_S
        after = hook_fact(
            account, f"{number}-after", over, HookEvent("after", result=result), (about[0], None)
        )
        plan = TaskSnapshot(
            "finished",
            queue_id=queue,
            finish_result=result,
            cdr=f"c{number}-{len(ends)}",
            try_count=tries,
            pause=PAUSE_S,
            start_at=start - 5,
            created_at=start - 30 if created_at is None else created_at,
            a_number=A,
            b_number=B,
            extension_id=extension,
            hooks=EVENTS,
        )
        facts += [after, observation(account, over + 110, plan, about)]
        return [*facts, observation(account, over + 400, TaskSettled(), about)] if is_settled else facts


def _call(call: str, began: float, end: str) -> CallRecord:
    leg, _, cause = end.partition(":")
    a = {"dest_number": A, "result": "answered", "hangup_cause": "NORMAL_CLEARING"}
    b = {"dest_number": B, "result": "answered", "hangup_cause": "NORMAL_CLEARING"}
    if end == "ok":
        bridged = began + RING_S
        return CallRecord(
            call,
            result="bridged",
            init_at=began,
            bridged_at=bridged,
            hangup_at=bridged + TALK_S,
            duration=RING_S + TALK_S,
            bridged_duration=TALK_S,
            legs=(a, b),
        )
    failed = {"dest_number": A if leg == "a" else B, "result": "failed", "hangup_cause": cause}
    legs = (failed,) if leg == "a" else (a, failed)
    return CallRecord(
        call, result="failed", init_at=began, hangup_at=began + RING_S, duration=RING_S, legs=legs
    )


@contextmanager
def told(target: str, *lives: list[Fact]) -> Iterator[Store]:
    """A store that has heard all of it."""
    with closing(Store(target)) as store:
        create_tables(store)
        with store.transaction() as connection:
            PROJECTOR.record(connection, [fact for life in lives for fact in life])
        yield store


def ask(
    store: Store,
    measure: str,
    *by: Dimension,
    zone: str = "UTC",
    basis: str | None = None,
    since: float | None = None,
    until: float | None = None,
) -> MeasureReport:
    """One measure."""
    asked = MEASURES[measure]
    query = AnalyticsQuery(basis or asked.basis[0], Calendar(zone), by, since, until)  # type: ignore[arg-type]
    with store.snapshot() as connection:
        return build_report(connection, asked, query)
