"""`python -m tests.e2e.week`: a subscriber answers 500 for a week while tasks come and go, then is mended.

Store, sender, sockets and subscriber are real; only the sender's clock is not: it stands still while anything
is under way, and is then put forward to whatever comes next. So attempts are made when they are due, to the
second, but for the breaker: after five failures in a row a subscription rests for up to a minute after each
further one, and what is due meanwhile waits for its turn.
"""

import asyncio
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from receiver.domain.facts import Fact
from receiver.outcomes.feed import read_outcomes
from receiver.outcomes.params import OutcomeQuery, ResendBody, SubscriptionChange
from receiver.outcomes.resend_endpoints import resend
from receiver.outcomes.subscription_endpoints import change_subscription
from tests.e2e.report import parser_of, tell
from tests.factories import finished, hook, settled
from tests.outcomes.delivery_env import DeliveryEnv, SteppedClock, open_delivery_env
from tests.outcomes.subscriber import Received, Subscriber, always, ok, subscriber

_DAY_S = 86_400.0
_WEEK_S = 7 * _DAY_S
_DISABLED_DAYS = 5
_SCHEDULE_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""From each attempt to the next, at least, and at most a fifth more: not read from what is judged."""

_JITTER = 0.2
_REST_S = 60.0
"""The breaker's longest rest: the clock's step where something is due and not sent."""

_LOOKS_S = 0.25
"""Real seconds in which a sender that may send what is due has begun to."""

_TOLERANCE_S = 5 * _REST_S
"""Later than due, while others that are due at the same time take their turns."""

_LONGEST_GAP_S = _SCHEDULE_S[-1] * (1 + _JITTER) + _TOLERANCE_S


@dataclass(frozen=True)
class Result:
    """What came of it. `unscheduled`: attempts that came too early or too late. `late_s`: beyond what jitter
    adds. `least_jitter`, `most_jitter`: of the delays from 30 min on, as parts of them.
    """

    outcomes: int
    attempts: int
    unscheduled: int
    least_jitter: float
    most_jitter: float
    late_s: float
    given_up_after_ten: int
    disabled_after_days: float
    operator_events: int
    not_dead: int
    told_while_disabled: int
    in_the_feed: int
    dry_run_says: int
    dry_run_sent: int
    replayed: int
    missing: int
    twice: int
    out_of_order: int
    under_another_id: int

    @property
    def is_good(self) -> bool:
        faults = (self.unscheduled, self.not_dead, self.missing, self.twice, self.out_of_order)
        return (
            not any((*faults, self.dry_run_sent, self.under_another_id))
            and _DISABLED_DAYS <= self.disabled_after_days <= _DISABLED_DAYS + _LONGEST_GAP_S / _DAY_S
            and self.operator_events == 1
            and min(self.given_up_after_ten, self.told_while_disabled) > 0
            and self.outcomes == self.in_the_feed == self.dry_run_says == self.replayed
        )


@dataclass
class Week:
    """An delivery_env whose one subscriber fails, until it is mended."""

    delivery_env: DeliveryEnv
    clock: SteppedClock
    crm: Subscriber
    began: float

    async def fail(self, facts: list[tuple[float, Fact]]) -> None:
        """All of the week, with these facts at their times."""
        end = self.began + _WEEK_S
        coming = sorted(facts, key=lambda each: each[0], reverse=True)
        while self.clock.time < end:
            due = await self._next_due()
            self.clock.time = min(due, end, coming[-1][0] if coming else end)
            while coming and coming[-1][0] <= self.clock.time:
                await self.delivery_env.ledger_env.ledger.record([coming.pop()[1]])

    async def _next_due(self) -> float:
        """When there is something to send next, once the sender has done all that it may do now."""
        unchanged, before = 0.0, None
        while True:
            heads = self._heads()
            claimed = [row for row in heads if row["claimed_until"] is not None]
            waits = any(row["due_at"] <= self.clock.time for row in heads)
            if not (claimed or waits):
                return min((row["due_at"] for row in heads), default=float("inf"))
            now = [(row["seq"], row["attempts"]) for row in heads]
            unchanged = 0.0 if claimed or now != before else unchanged + 0.02
            if unchanged > _LOOKS_S:
                return self.clock.time + _REST_S
            before = now
            await asyncio.sleep(0.02)

    def _heads(self) -> list[dict[str, Any]]:
        """The first open message of each task: those behind it wait for it."""
        heads: dict[str, dict[str, Any]] = {}
        for row in self.delivery_env.messages(state="waiting"):
            heads.setdefault(row["key"], row)
        return list(heads.values())

    async def mend(self) -> tuple[int, int]:
        """Mend the subscriber, resume the subscription and send it the week again. What the dry run says, and
        how many requests it made.
        """
        self.crm.answering = ok
        await self.delivery_env.ask(
            change_subscription, SubscriptionChange.model_validate({"state": "active"})
        )
        self.clock.time += 2.0
        span = {"since": self.began, "until": self.clock.time}
        before = len(self.crm.received)
        said = await self.delivery_env.ask(resend, ResendBody.model_validate({**span, "dry_run": True}))
        await asyncio.sleep(_LOOKS_S)
        sent = len(self.crm.received) - before
        await self.delivery_env.ask(resend, ResendBody.model_validate(span))
        await self.delivery_env.until("delivered", said.sent, 30)
        return said.sent, sent

    async def feed(self) -> list[str]:
        """The ids of all outcomes in the feed."""
        told = await self.delivery_env.ask(read_outcomes, None, OutcomeQuery(limit=1000))
        return [each.id for each in told.outcomes]


def life(ref: str, at: float, result: str) -> list[tuple[float, Fact]]:
    """What is heard of a task, each with its time."""
    mine = (ref, f"9{ref}")
    return [
        (at, hook("before", at, about=(ref, None))),
        (at + 30, hook("after", at + 30, about=(ref, None), result=result)),
        (at + 60, finished(result, at + 60, about=mine)),
        (at + 400, settled(at + 400, about=mine)),
    ]


async def run(store: Path, tasks: int, seed: int) -> Result:
    """So many tasks, evenly over the week, more or less."""
    # A week that ends now: subscribers believe no timestamp of another time.
    rng, began = Random(seed), time.time() - _WEEK_S
    starts = [began + (number + 0.8 * rng.random()) * _WEEK_S / tasks for number in range(tasks)]
    facts = [
        fact
        for number, at in enumerate(starts)
        for fact in life(f"r{number}", at, rng.choice(["success", "failed"]))
    ]
    async with open_delivery_env(str(store)) as delivery_env, subscriber() as crm:
        delivery_env.clock = clock = SteppedClock(began)
        week = Week(delivery_env, clock, crm, began)
        secret = await delivery_env.subscribe(crm.url)
        crm.answering = always(500)
        async with delivery_env.delivering():
            await week.fail(facts)
            failed, dead = delivery_env.attempts(), delivery_env.messages()
            event, refused = delivery_env.operator_events(), list(crm.received)
            said, sent = await week.mend()
        came = crm.received[len(refused) :]
        for each in came:
            each.verify(secret)
        return Result(
            **_schedule(failed),
            **_order(delivery_env.outcomes(), came, refused),
            disabled_after_days=round((event[0]["at"] - failed[0]["at"]) / _DAY_S, 3) if event else 0.0,
            operator_events=len(event),
            not_dead=sum(row["state"] != "dead" for row in dead),
            told_while_disabled=len(delivery_env.outcomes()) - len(dead),
            in_the_feed=len(await week.feed()),
            dry_run_says=said,
            dry_run_sent=sent,
        )


def _schedule(postings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How the attempts of each message followed each other."""
    times: dict[int, list[float]] = defaultdict(list)
    for row in postings:
        times[row["message_seq"]].append(row["at"])
    # How much later than its delay each attempt came, as a part of the delay.
    late = [
        (delay, (after - before) / delay - 1)
        for mine in times.values()
        for delay, before, after in zip(_SCHEDULE_S, mine, mine[1:], strict=False)
    ]
    beyond = [delay * (part - _JITTER) for delay, part in late]
    long = [part for delay, part in late if delay > _TOLERANCE_S]
    return {
        "attempts": len(postings),
        "unscheduled": sum(part < 0 for _, part in late) + sum(each > _TOLERANCE_S for each in beyond),
        "least_jitter": round(min(long, default=0.0), 3),
        "most_jitter": round(max(long, default=0.0), 3),
        "late_s": round(max(0.0, *beyond), 1),
        "given_up_after_ten": sum(len(mine) == len(_SCHEDULE_S) + 1 for mine in times.values()),
    }


def _order(
    outcomes: Sequence[dict[str, Any]], came: Sequence[Received], refused: Sequence[Received]
) -> dict[str, int]:
    """What came of the outcomes once it was mended, against what was told, and what was tried before."""
    told, got = defaultdict(list), defaultdict(list)
    for row in outcomes:
        told[row["key"]].append(row["id"])
    for each in came:
        got[each.event["data"]["ref"]].append(each.id)
    ids = {each.id for each in came}
    return {
        "outcomes": len(outcomes),
        "replayed": len(came),
        "missing": len({row["id"] for row in outcomes} - ids),
        "twice": len(came) - len(ids),
        "out_of_order": sum(got[key] != mine for key, mine in told.items()),
        "under_another_id": len({each.id for each in refused} - ids)
        + sum(each.id != each.event["id"] for each in (*refused, *came)),
    }


def main() -> int:
    parser = parser_of("tests.e2e.week", __doc__)
    parser.add_argument("--tasks", type=int, default=14, help="in the week (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of times and results (default %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="week-") as folder:
        result = asyncio.run(run(Path(folder) / "receiver.db", options.tasks, options.seed))
    return tell(asdict(result), good=result.is_good, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
