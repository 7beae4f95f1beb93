"""The types of operator events: what each means, how urgent it is, what to do, and its fields."""

from typing import Any, Literal, NamedTuple, get_args

from receiver.http.schemas import Json

OperatorEventType = Literal[
    "operator.subscription.failing",
    "operator.subscription.recovered",
    "operator.subscription.disabled",
    "operator.losses.suspected",
    "operator.losses.cleared",
    "operator.set_aside.found",
    "operator.set_aside.cleared",
    "operator.reconciliation.refused",
    "operator.reconciliation.accepted",
    "operator.quota.low",
    "operator.quota.exhausted",
    "operator.quota.renewed",
    "operator.server.second",
    "operator.task.crowded",
]
OPERATOR_TYPES: tuple[OperatorEventType, ...] = get_args(OperatorEventType)

PREFIX = "operator."
"""Begins the type of an operator event; the rest is its kind in `GET /v1/operator-events`."""

ABOUT_SUBSCRIPTION = f"{PREFIX}subscription."
"""Begins the type of an event about a subscription, which is its subject."""

EVERY_TYPE = "operator.*"
"""Stands in a filter for all types of operator events, also those of later versions."""


class OperatorType(NamedTuple):
    """A type: its meaning, its severity, what to do, and its own fields: name → JSON Schema, example."""

    about: str
    severity: Literal["info", "warning", "critical"]
    advice: str
    text: str
    fields: dict[str, tuple[Json, Any]]


def _text(about: str, sample: str) -> tuple[Json, Any]:
    return {"type": ["string", "null"], "description": about}, sample


def _time(about: str, sample: str) -> tuple[Json, Any]:
    return {"type": ["string", "null"], "format": "date-time", "description": about}, sample


def _number(about: str, sample: int) -> tuple[Json, Any]:
    return {"type": ["integer", "null"], "description": about}, sample


_SUBSCRIPTION = {
    "subscription": _text("Id of the subscription.", "sub_1f0c9be64a7e8f20"),
    "name": _text("Its name.", "sales CRM"),
}
_FAILING = {
    "failing_since": _time("First of the failures in a row.", "2026-03-01T09:30:00.000Z"),
    "problem": _text("Why the last attempt failed.", "answered 401"),
    "pending": _number("Messages that wait.", 17),
}
_SET_ASIDE = {
    "hooks": _number("Hooks that could not be read.", 3),
    "tasks": _number("Tasks that could not be folded.", 0),
}
_PART = {"part": _text("`tasks`, or `calls` for the call history.", "tasks")}
_QUOTA = {
    "limit": _number("Calls of an hour.", 1000),
    "remaining": _number("Calls that are left.", 480),
    "reset_at": _time("When the quota is renewed, if the API says so.", "2026-03-01T10:00:00.000Z"),
}

TYPES: dict[OperatorEventType, OperatorType] = {
    "operator.subscription.failing": OperatorType(
        "Deliveries of a subscription have failed for 30 s (`percent` 0), or for 50, 75 or 90 % of the time "
        "after which it is disabled.",
        "warning",
        "Mend the cause, then run `receiver subscriptions messages ID`.",
        "Subscription 'sales CRM' has been failing since 2026-03-01 09:30:00 UTC (answered 401). 17 messages "
        "wait. It is disabled at 2026-03-06 09:30:00 UTC (50 % of the time has passed).",
        {
            **_SUBSCRIPTION,
            "percent": _number("Part of the time until it is disabled that has passed: 0, 50, 75 or 90.", 50),
            **_FAILING,
            "disables_at": _time("When it is disabled if it fails until then.", "2026-03-06T09:30:00.000Z"),
        },
    ),
    "operator.subscription.recovered": OperatorType(
        "A delivery of a failing subscription has succeeded.",
        "info",
        "Nothing. Messages that wait are sent now.",
        "Subscription 'sales CRM' works again after 42 min. 17 messages wait.",
        {
            **_SUBSCRIPTION,
            "failed_for_s": _number("Seconds since the failure was an event.", 2520),
            "pending": _number("Messages that wait.", 17),
        },
    ),
    "operator.subscription.disabled": OperatorType(
        "A subscription was disabled: it gets no events, and its waiting messages are dead letters.",
        "critical",
        "Mend the cause, then run `receiver subscriptions resume ID` and `receiver subscriptions replay ID "
        "--dead`.",
        "nothing could be delivered for 5 days",
        {
            **_SUBSCRIPTION,
            "reason": _text("Why.", "nothing could be delivered for 5 days"),
            "dead": _number("Messages that became dead letters.", 17),
        },
    ),
    "operator.losses.suspected": OperatorType(
        "Hooks of an account are missing, and may be among deliveries that name no task or are set aside.",
        "warning",
        "See `receiver capture` and `receiver set-aside`, mend [aliases], then run `receiver reread`.",
        "Account 'main': 12 hooks are missing, perhaps lost.",
        {
            "hooks": _number("Number of missing hooks.", 12),
            "by_event": (
                {
                    "type": "object",
                    "additionalProperties": {"type": "integer"},
                    "description": "Event → hooks.",
                },
                {"after": 12},
            ),
        },
    ),
    "operator.losses.cleared": OperatorType(
        "No hook of the account is only suspected to be lost any more: each was found, or is lost.",
        "info",
        "Nothing. `receiver lost-hooks` lists them.",
        "Account 'main': no hook is suspected to be lost any more.",
        {},
    ),
    "operator.set_aside.found": OperatorType(
        "Hooks could not be read, or tasks could not be folded. They are stored and tried again.",
        "warning",
        "Run `receiver set-aside`.",
        "3 hooks and 0 tasks are set aside.",
        _SET_ASIDE,
    ),
    "operator.set_aside.cleared": OperatorType(
        "Nothing is set aside any more.", "info", "Nothing.", "Nothing is set aside any more.", _SET_ASIDE
    ),
    "operator.reconciliation.refused": OperatorType(
        "The scheduler's API refuses requests of reconciliation. Results stay unconfirmed.",
        "critical",
        "Run `receiver check`; renew the credentials or the rights of the application.",
        "Account 'main': the API refuses reconciliation (tasks): token: invalid_client.",
        {**_PART, "problem": _text("The API's answer, without secrets.", "token: invalid_client")},
    ),
    "operator.reconciliation.accepted": OperatorType(
        "The scheduler's API accepts requests of reconciliation again.",
        "info",
        "Nothing.",
        "Account 'main': the API accepts reconciliation (tasks) again.",
        _PART,
    ),
    "operator.quota.low": OperatorType(
        "Reconciliation has used its share of the API's hourly quota and waits.",
        "warning",
        "Ask the vendor for a larger quota, or change `accounts.NAME.quota_share`.",
        "Account 'main': 480 of 1000 calls of the API's quota are left; reconciliation waits.",
        _QUOTA,
    ),
    "operator.quota.exhausted": OperatorType(
        "The account's hourly quota of the API is used up, by any application.",
        "critical",
        "Find out which application makes the calls, or ask the vendor for a larger quota.",
        "Account 'main': the API's hourly quota is used up.",
        _QUOTA,
    ),
    "operator.quota.renewed": OperatorType(
        "The quota has been sufficient for an hour.",
        "info",
        "Nothing.",
        "Account 'main': the API's quota has been sufficient for an hour.",
        _QUOTA,
    ),
    "operator.server.second": OperatorType(
        "A second `serve` was started on this SQLite store, and refused to run.",
        "critical",
        "Stop one of the services, or give it a store of its own.",
        "A second `serve` was started on this store: pid 4711 on host-b.",
        {
            "pid": _number("Process of the second server.", 4711),
            "host": _text("Its host.", "host-b"),
        },
    ),
    "operator.task.crowded": OperatorType(
        "A task has more facts than are folded, mostly because many tasks share one URL.",
        "warning",
        "Mint URLs for each task: `receiver urls`.",
        "more than 10,000 facts: only the first are folded",
        {"task": _text("Key of the task.", "5f1d8a0c9be64a7e8f20b1c3d4e5f607")},
    ),
}

ABOUT_ACCOUNTS = ("losses", "reconciliation", "quota", "task")
"""First words of kinds that are about an account."""

COMMON: dict[str, tuple[Json, Any]] = {
    "account": ({"type": ["string", "null"], "description": "Account that it is about, if any."}, None),
    "subject": (
        {"type": "string", "description": "Id or name of what it is about, such as a subscription."},
        "",
    ),
    "severity": ({"type": "string", "enum": ["info", "warning", "critical"], "description": "Urgency."}, ""),
    "text": ({"type": "string", "description": "What happened, for people."}, ""),
    "advice": ({"type": "string", "description": "What to do."}, ""),
}
"""Fields that every operator event has."""


def fields_of(event: OperatorEventType) -> dict[str, tuple[Json, Any]]:
    """Return the fields of an event's data: name → JSON Schema, example."""
    definition = TYPES[event]
    own = {name: sample for name, (_, sample) in definition.fields.items()}
    account = "main" if event.split(".")[1] in ABOUT_ACCOUNTS else None
    samples = {
        "account": account,
        "subject": own.get("subscription") or own.get("task") or account or "store",
        "severity": definition.severity,
        "text": definition.text,
        "advice": definition.advice,
    }
    common = {name: (field, samples[name]) for name, (field, _) in COMMON.items()}
    return common | definition.fields


def describe_event(kind: str, subject: str, detail: str, own: dict[str, Any]) -> dict[str, Any] | None:
    """Return the data of a stored operator event, or None for a kind that has no type."""
    definition = TYPES.get(f"{PREFIX}{kind}")  # type: ignore[call-overload]
    if definition is None:
        return None
    empty = dict.fromkeys(definition.fields)
    common = {
        "account": own.get("account"),
        "subject": subject,
        "severity": definition.severity,
        "text": detail,
        "advice": definition.advice,
    }
    return {**common, **empty, **own}
