"""The limits at which alerts begin and what is promised: panels draw them, tests hold them against the alert rules."""

from collections.abc import Mapping
from dataclasses import dataclass

_UNITS: Mapping[str, tuple[float, str]] = {"s": (1, " s"), "percentunit": (100, " %"), "short": (1, "")}
"""Grafana's unit → factor and sign for people."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Where an alert begins. `unit`: as Grafana names it; `is_floor`: it fires below, not above."""

    alert: str
    value: float
    unit: str = "short"
    is_floor: bool = False

    @property
    def step(self) -> float:
        """From where on a panel changes its colour: what may be none at all is a count, and bad from 1 on."""
        return self.value or 1

    def __str__(self) -> str:
        factor, sign = _UNITS[self.unit]
        return f"Alert {self.alert}: {'below' if self.is_floor else 'above'} {self.value * factor:g}{sign}."


RECEIVER_DOWN = Limit("ReceiverDown", 0)
INTAKE_SILENT = Limit("IntakeSilent", 20)
PIPELINE_STALLED = Limit("PipelineStalled", 900, "s")
FOLD_STALLED = Limit("PipelineStalled", 60, "s")
RECONCILE_STALE = Limit("ReconcileStale", 900, "s")
API_FAILING = Limit("SchedulerApiFailing", 0.5, "percentunit")
LOST_HOOKS = Limit("LostHooks", 0.05, "percentunit")
DRIFT_GROWING = Limit("DriftGrowing", 10)
CLOCK_SKEW = Limit("ClockSkew", 30, "s")
DEAD_LETTERS = Limit("DeadLettersGrowing", 0)
SUBSCRIPTION_DISABLED = Limit("SubscriptionDisabled", 0)
DELIVERY_STALLED = Limit("DeliveryStalled", 3600, "s")
SNAPSHOT_STALE = Limit("SnapshotStale", 120, "s")
WORKER_RESTARTING = Limit("WorkerRestarting", 3)
QUOTA_LOW = Limit("QuotaLow", 100, is_floor=True)
FOLD_FAILURES = Limit("FoldFailures", 0)
LOOP_LAG = Limit("EventLoopLag", 1, "s")

LIMITS = tuple(each for each in globals().values() if isinstance(each, Limit))


@dataclass(frozen=True, slots=True)
class Objective:
    """What is promised over 30 days. `kept`: the least share that must be good; `alert`: fires when the rest is
    spent too fast; `recorded`: the metric of its recording rules; `within`: bound of the bucket of what is good.
    """

    title: str
    alert: str
    kept: float
    recorded: str
    within: str = ""


INTAKE = Objective("Hooks kept", "IntakeErrorBudgetBurn", 0.999, "callback_intake_bad")
LATENCY = Objective("Hooks answered in time", "IntakeLatencyBudgetBurn", 0.99, "callback_intake_slow", "0.25")
RECONCILED = Objective(
    "Outcomes confirmed in time", "ReconcileLateBudgetBurn", 0.99, "callback_reconciled_late", "300.0"
)
DELIVERED = Objective("Deliveries", "DeliveryBudgetBurn", 0.995, "callback_deliveries_bad")

OBJECTIVES = (INTAKE, LATENCY, RECONCILED, DELIVERED)

BURNS: Mapping[float, tuple[str, str]] = {
    14.4: ("1h", "5m"),
    6: ("6h", "30m"),
    3: ("1d", "2h"),
    1: ("3d", "6h"),
}
"""How many times too fast a budget may be spent → over which two windows."""

WITHOUT_LIMIT = ("ReceiverAbsent",)
"""Alerts on what no panel can show: that nothing is there."""

ALERTS = (
    *WITHOUT_LIMIT,
    *dict.fromkeys(limit.alert for limit in LIMITS),
    *(objective.alert for objective in OBJECTIVES),
)
