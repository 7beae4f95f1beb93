"""Deliveries: do subscribers get their messages, which does not, and how quickly."""

from dashboards import limits
from dashboards.board import Board, Row
from dashboards.face import BAD, GOOD, Face
from dashboards.objectives import delivered
from dashboards.panels import Column, heat, lines, stat, states, table
from dashboards.query import Query, buckets, highest, in_tables, quantile, rate, series, share

_ATTEMPTS = "delivery_attempts_total"
_DURATION, _END_TO_END = "delivery_duration_seconds", "delivery_end_to_end_seconds"
_OLDEST, _DEAD, _STATE = "delivery_oldest_pending_age_seconds", "delivery_dead_letters", "subscription_state"
_EACH = "{{subscription}}"
_NUMBERS = {"active": 1, "paused": 2, "disabled": 3}
_NUMBERED = " + ".join(
    f"{number} * {highest(_STATE, 'subscription', state=state)}" for state, number in _NUMBERS.items()
)


_FINE = (
    stat(
        Face(
            "Delivered · per message",
            "The share of the messages that came to an end in the range: delivered, not dead. Promised "
            f"over 30 days: {100 * limits.DELIVERED.kept:g} %.",
            "percentunit",
            steps=((None, BAD), (limits.DELIVERED.kept, GOOD)),
        ),
        Query(delivered("$__range"), is_instant=True),
    ),
    stat(Face("To be delivered", "Messages that wait."), Query(in_tables("delivery_pending"))),
    stat(
        Face("Oldest of them", "Age of the oldest message that waits.", "s", limits.DELIVERY_STALLED),
        Query(highest(_OLDEST)),
    ),
    stat(
        Face(
            "New dead letters",
            "By how many there are more than an hour ago: messages that were given up and can be sent again.",
            limit=limits.DEAD_LETTERS,
        ),
        Query(f"round(sum(clamp_min(max by (job,subscription) (delta({series(_DEAD)}[1h])), 0)))"),
    ),
    stat(
        Face(
            "Subscriptions disabled",
            "Subscriptions that get nothing because they failed for too long.",
            limit=limits.SUBSCRIPTION_DISABLED,
        ),
        Query(in_tables(_STATE, state="disabled")),
    ),
    stat(
        Face("From fact to delivery · per message", "95 of 100 messages are delivered quicker.", "s"),
        Query(quantile(0.95, _END_TO_END)),
    ),
)


_WHICH = (
    table(
        Face("Subscriptions", "What each has in the range, and what waits for it now."),
        Query(in_tables("delivery_pending", "subscription"), is_instant=True),
        Query(highest(_OLDEST, "subscription"), is_instant=True),
        Query(in_tables(_DEAD, "subscription"), is_instant=True),
        Query(delivered("$__range", "subscription"), is_instant=True),
        columns=(
            Column("subscription", "Subscription"),
            Column("Value #A", "To be delivered", "short"),
            Column("Value #B", "Oldest of them", "s", limits.DELIVERY_STALLED),
            Column("Value #C", "Dead letters", "short"),
            Column("Value #D", "Delivered", "percentunit"),
        ),
    ),
    states(
        Face(
            "State of subscriptions",
            "Disabled: it failed for too long, and gets nothing until it is enabled again.",
        ),
        Query(_NUMBERED, _EACH),
        (("1", "active", GOOD), ("2", "paused", "blue"), ("3", "disabled", BAD)),
    ),
)


_BECOMES = (
    lines(
        Face(
            "Attempts by outcome · per attempt",
            "Attempts to deliver per minute. `failed`: comes again; `dead`: was the last; `dropped`: there "
            "was nothing to tell this subscriber.",
            "cpm",
        ),
        Query(f"60 * {rate(_ATTEMPTS, 'outcome')}", "{{outcome}}"),
        stacked=True,
    ),
    lines(
        Face(
            "Attempts that failed · per attempt",
            "The share of each subscription's attempts that did not deliver.",
            "percentunit",
        ),
        Query(
            share(
                rate(_ATTEMPTS, "subscription", outcome="failed|dead"),
                rate(_ATTEMPTS, "subscription", outcome="!dropped"),
            ),
            _EACH,
        ),
    ),
    lines(
        Face("To be delivered by subscription", "Messages that wait."),
        Query(in_tables("delivery_pending", "subscription"), _EACH),
        size=(8, 8),
    ),
    lines(
        Face("Oldest undelivered", "Age of the oldest message that waits.", "s", limits.DELIVERY_STALLED),
        Query(highest(_OLDEST, "subscription"), _EACH),
        size=(8, 8),
    ),
    lines(
        Face("Dead letters", "Messages that were given up; what matters is whether they grow."),
        Query(in_tables(_DEAD, "subscription"), _EACH),
        size=(8, 8),
    ),
)


_QUICK = (
    lines(
        Face("Time of attempts by subscription · per attempt", "95 of 100 attempts are quicker.", "s"),
        Query(quantile(0.95, _DURATION, "subscription"), _EACH),
    ),
    heat(
        Face("Attempts by time · per attempt", "How long subscribers took to answer.", "s"),
        buckets(_DURATION),
    ),
    lines(
        Face(
            "From fact to delivery by subscription · per message",
            "95 of 100 messages are quicker, from the fact that made them, failed attempts included.",
            "s",
        ),
        Query(quantile(0.95, _END_TO_END, "subscription"), _EACH),
    ),
    heat(
        Face("Messages by time · per message", "From the fact that made a message to its delivery.", "s"),
        buckets(_END_TO_END),
    ),
)


BOARD = Board(
    "deliveries",
    "Receiver · Deliveries",
    "Do subscribers get their messages, which does not, and how quickly?",
    (
        Row("Is it fine?", _FINE),
        Row("Which subscription?", _WHICH),
        Row("What becomes of messages?", _BECOMES),
        Row("How quick is it?", _QUICK),
    ),
)
