"""Where alerts begin and what is promised: panels draw it, tests hold it against the rule files."""

from collections.abc import Mapping
from dataclasses import dataclass

_UNITS: Mapping[str, tuple[float, str]] = {
    "s": (1, " s"),
    "percentunit": (100, " %"),
    "short": (1, ""),
    "bytes": (2**-20, " MiB"),
}
"""Grafana's unit → factor and sign for people."""

_WORDS: Mapping[str, str] = {">": ": above {}", ">=": ": from {} on", "<": ": below {}", "==": ""}


@dataclass(frozen=True, slots=True)
class Limit:
    """Where an alert begins. `unit`: as Grafana names it; `sign`: how the rule compares."""

    alert: str
    value: float
    unit: str = "short"
    sign: str = ">"

    @property
    def step(self) -> float:
        """From where on a panel changes its colour: what may be none at all is a count, and bad from 1 on."""
        return self.value or 1

    def __str__(self) -> str:
        factor, unit = _UNITS[self.unit]
        return f"Alert {self.alert}{_WORDS[self.sign].format(f'{self.value * factor:g}{unit}')}."


RECEIVER_DOWN = Limit("ReceiverDown", 0, sign="==")
INTAKE_SILENT = Limit("IntakeSilent", 20, sign=">=")
PIPELINE_STALLED = Limit("PipelineStalled", 900, "s")
READING_STALLED = Limit("PipelineStalled", 60, "s")
INBOX_FILLING = Limit("InboxFilling", 0.5, "percentunit")
SET_ASIDE = Limit("SetAside", 0)
CONNECTIONS_AT_LIMIT = Limit("ConnectionsAtLimit", 0)
RECONCILE_STALE = Limit("ReconcileStale", 900, "s")
API_FAILING = Limit("SchedulerApiFailing", 0.5, "percentunit")
LOST_HOOKS = Limit("LostHooks", 0.05, "percentunit")
HOOKS_UNPLACED = Limit("HooksUnplaced", 0)
FAILED_EARLY = Limit("FailedEarly", 0)
DRIFT_GROWING = Limit("DriftGrowing", 10)
CLOCK_SKEW = Limit("ClockSkew", 30, "s")
DEAD_LETTERS = Limit("DeadLettersGrowing", 0)
SUBSCRIPTION_DISABLED = Limit("SubscriptionDisabled", 1, sign="==")
DELIVERY_STALLED = Limit("DeliveryStalled", 3600, "s")
SNAPSHOT_STALE = Limit("SnapshotStale", 120, "s")
STORE_LOG = Limit("StoreLogGrowing", 2**30, "bytes")
WORKER_RESTARTING = Limit("WorkerRestarting", 3)
QUOTA_LOW = Limit("QuotaLow", 100, sign="<")
LOOP_LAG = Limit("EventLoopLag", 1, "s")

LIMITS = tuple(each for each in globals().values() if isinstance(each, Limit))


@dataclass(frozen=True, slots=True)
class Objective:
    """What is promised over 30 days. `kept`: the least share that must be good; `alert`: fires when the rest
    is spent too fast; `recorded`: the name of its recording rules; `within`: the bucket of what is good.
    """

    title: str
    alert: str
    kept: float
    recorded: str
    within: str = ""

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return round(1 - self.kept, 6)


INTAKE = Objective("Hooks kept", "IntakeErrorBudgetBurn", 0.999, "callback_intake_bad")
LATENCY = Objective("Answers in time", "IntakeLatencyBudgetBurn", 0.99, "callback_intake_slow", "0.25")
RECONCILED = Objective(
    "Confirmed in time", "ReconcileLateBudgetBurn", 0.99, "callback_reconciled_late", "300.0"
)
DELIVERED = Objective("Messages delivered", "DeliveryBudgetBurn", 0.995, "callback_deliveries_bad")

OBJECTIVES = (INTAKE, LATENCY, RECONCILED, DELIVERED)

BURNS: Mapping[float, tuple[str, str]] = {
    14.4: ("1h", "5m"),
    6: ("6h", "30m"),
    3: ("1d", "2h"),
    1: ("3d", "6h"),
}
"""How many times too fast a budget may be spent → over which two windows."""

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
"""All of them, as the recording rules have them."""

WITHOUT_LIMIT = ("ReceiverAbsent",)
"""Alerts on what no panel can show: that nothing is there."""

ALERTS = (
    *WITHOUT_LIMIT,
    *dict.fromkeys(limit.alert for limit in LIMITS),
    *(objective.alert for objective in OBJECTIVES),
)
