"""Whether all is well: the problems of a status, each with the page where it can be seen and mended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from receiver.analytics.report_words import ReportWords
from receiver.analytics.schemas import ShareValue
from receiver.i18n.catalogue import Phrase
from receiver.maintenance.status import AccountStatus, FailingSubscription, StatusView
from receiver.story.times import Times

_SLOW_S = {"read": 60.0, "fold": 60.0, "confirm": 900.0, "call": 900.0, "settle": 900.0}
"""Stage → seconds after which its oldest work waits too long, as in the alert PipelineStalled."""

_FEW = 20
"""Hooks or tasks below which a share alarms nobody, as in the alert LostHooks."""

_HIGH_SHARE = 0.05
_LOW_QUOTA = 0.1

Kind = Literal["bad", "warn"]

SYSTEM, RECONCILIATION, SUBSCRIPTIONS = "/console/system", "/console/reconciliation", "/console/subscriptions"


@dataclass(frozen=True, slots=True)
class OverviewProblem:
    """A problem as a sentence. `link`: the page where it can be seen and mended. `kind`: `bad` if work is not
    done, else `warn`. `name`: last part of the key of its sentence.
    """

    name: str
    kind: Kind
    sentence: Phrase
    link: str


def problems(status: StatusView, times: Times, words: ReportWords) -> Sequence[OverviewProblem]:
    """Return the problems of a status, the worst first."""
    found = [
        *_idle(status),
        *_slow(status, times),
        *(problem for account in status.accounts for problem in _account(account, times)),
        *(_subscription(row, times) for row in status.failing),
        *_set_aside(status),
        *_today(status, words),
    ]
    return sorted(found, key=lambda problem: problem.kind != "bad")


def _problem(kind: Kind, name: str, link: str, /, **values: "Phrase | str | float") -> OverviewProblem:
    return OverviewProblem(name, kind, Phrase(f"console_overview.problem.{name}", values), link)


def _idle(status: StatusView) -> Iterator[OverviewProblem]:
    """Yield work that no receiver does."""
    for lease in status.leases:
        if not lease.is_held:
            yield _problem("bad", "idle", SYSTEM, work=lease.name)


def _slow(status: StatusView, times: Times) -> Iterator[OverviewProblem]:
    """Yield stages whose oldest work waits too long."""
    for wait in status.waits:
        if status.at - wait.due_since > _SLOW_S.get(wait.stage, float("inf")):
            stage = Phrase(f"console_overview.stage.{wait.stage}")
            since = times.at(wait.due_since)
            yield _problem("bad", "slow", SYSTEM, stage=stage, count=wait.waiting, since=since)


def _account(account: AccountStatus, times: Times) -> Iterator[OverviewProblem]:
    """Yield what is wrong with the reconciliation of an account."""
    if account.failing_since is not None:
        text, since = "; ".join(account.problems) or "–", times.at(account.failing_since)
        yield _problem("bad", "account", RECONCILIATION, account=account.account, since=since, problem=text)
    limit, left = account.quota_limit, account.quota_remaining
    if account.part == "tasks" and limit and left is not None and left < limit * _LOW_QUOTA:
        reset = account.quota_reset_at
        until = times.at(reset) if reset is not None else "–"
        values: dict[str, str | float] = {"account": account.account, "count": left, "limit": limit}
        yield _problem("warn", "quota", RECONCILIATION, until=until, **values)


def _subscription(row: FailingSubscription, times: Times) -> OverviewProblem:
    link = f"{SUBSCRIPTIONS}/{quote(row.id, safe='')}"
    reason = row.problem or "–"
    if row.state == "disabled":
        return _problem("bad", "disabled", link, name=row.name, problem=reason, count=row.dead)
    if row.state == "paused" or row.failing_since is None:
        return _problem("warn", "paused", link, name=row.name, count=row.pending)
    since = times.at(row.failing_since)
    return _problem("bad", "failing", link, name=row.name, since=since, problem=reason, count=row.pending)


def _set_aside(status: StatusView) -> Iterator[OverviewProblem]:
    numbers = {"set_aside_hooks": status.set_aside_hooks, "set_aside_tasks": status.set_aside_tasks}
    for name, count in numbers.items():
        if count:
            yield _problem("warn", name, f"{RECONCILIATION}/set-aside", count=count)


def _today(status: StatusView, words: ReportWords) -> Iterator[OverviewProblem]:
    """Yield what is unusual about today."""
    if suspected := sum(status.hooks.suspected_today.values()):
        yield _problem("warn", "suspected", f"{RECONCILIATION}/lost-hooks?suspected=true", count=suspected)
    today = status.today
    if today is None:
        return
    if _is_high(today.lost_hooks):
        share = words.percent(today.lost_hooks.value)
        yield _problem("warn", "lost", f"{RECONCILIATION}/lost-hooks", share=share, count=today.lost_hooks.k)
    if _is_high(today.drift):
        share = words.percent(today.drift.value)
        yield _problem("warn", "drift", f"{RECONCILIATION}/drift", share=share, count=today.drift.k)
    is_enough = min(today.success.n, today.week_ago.n) >= _FEW
    if is_enough and today.difference.is_sure and (today.difference.value or 0) < 0:
        rates = {"share": words.percent(today.success.value), "before": words.percent(today.week_ago.value)}
        yield _problem("warn", "success", "/console/analytics", **rates)


def _is_high(share: ShareValue) -> bool:
    return share.n >= _FEW and (share.value or 0) > _HIGH_SHARE
