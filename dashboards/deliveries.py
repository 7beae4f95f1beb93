"""Deliveries: do subscribers get their messages, which does not, and how quickly."""

from collections.abc import Iterator

from grafana_foundation_sdk.models.dashboard import Panel

from dashboards import limits
from dashboards.board import Board, Row
from dashboards.panels import BAD, GOOD, Column, Face, heat, lines, stat, states, table
from dashboards.query import Query, buckets, grown, highest, in_tables, quantile, rate, series, share

_ATTEMPTS = "delivery_attempts_total"
_DURATION, _END_TO_END = "delivery_duration_seconds", "delivery_end_to_end_seconds"
_OLDEST, _DEAD, _STATE = "delivery_oldest_pending_age_seconds", "delivery_dead_letters", "subscription_state"
_EACH = "{{subscription}}"
_NUMBERS = (("active", 1), ("paused", 2), ("disabled", 3))


def _finished(*by: str) -> str:
    return share(grown(_ATTEMPTS, *by, outcome="delivered"), grown(_ATTEMPTS, *by, outcome="delivered|dead"))


def _fine() -> Iterator[Panel]:
    yield stat(
        Face(
            "Delivered · per message",
            "The share of the messages that came to an end in the range: delivered, not dead. Promised over 30 days: "
            f"{100 * limits.DELIVERED.kept:g} %.",
            "percentunit",
            steps=((None, BAD), (limits.DELIVERED.kept, GOOD)),
        ),
        Query(_finished(), is_instant=True),
    )
    yield stat(Face("To be delivered", "Messages that wait."), Query(in_tables("delivery_pending")))
    yield stat(
        Face("Oldest of them", "Age of the oldest message that waits.", "s", limits.DELIVERY_STALLED),
        Query(highest(_OLDEST)),
    )
    yield stat(
        Face(
            "New dead letters",
            "By how many there are more than an hour ago: messages that were given up and can be sent again.",
            limit=limits.DEAD_LETTERS,
        ),
        Query(f"sum(max by (job,subscription) (delta({series(_DEAD)}[1h])))"),
    )
    yield stat(
        Face(
            "Subscriptions disabled",
            "Subscriptions that get nothing because they failed for too long.",
            limit=limits.SUBSCRIPTION_DISABLED,
        ),
        Query(in_tables(_STATE, state="disabled")),
    )
    yield stat(
        Face("From fact to delivery", "95 of 100 messages are delivered quicker.", "s"),
        Query(quantile(0.95, _END_TO_END)),
    )


def _which() -> Iterator[Panel]:
    yield table(
        Face("Subscriptions", "What each has in the range, and what waits for it now."),
        Query(in_tables("delivery_pending", "subscription"), is_instant=True),
        Query(highest(_OLDEST, "subscription"), is_instant=True),
        Query(in_tables(_DEAD, "subscription"), is_instant=True),
        Query(_finished("subscription"), is_instant=True),
        columns=(
            Column("subscription", "Subscription"),
            Column("Value #A", "To be delivered", "short"),
            Column("Value #B", "Oldest of them", "s", limits.DELIVERY_STALLED),
            Column("Value #C", "Dead letters", "short"),
            Column("Value #D", "Delivered", "percentunit"),
        ),
    )
    numbered = " + ".join(
        f"{number} * {highest(_STATE, 'subscription', state=state)}" for state, number in _NUMBERS
    )
    yield states(
        Face(
            "State of subscriptions",
            "Disabled: it failed for too long, and gets nothing until it is enabled again.",
        ),
        Query(numbered, _EACH),
        (("1", "active", GOOD), ("2", "paused", "blue"), ("3", "disabled", BAD)),
    )


def _becomes() -> Iterator[Panel]:
    yield lines(
        Face(
            "Attempts by outcome · per attempt",
            "Attempts to deliver per minute. `failed`: comes again; `dead`: was the last; `dropped`: the subscription is "
            "gone.",
            "cpm",
        ),
        Query(f"60 * {rate(_ATTEMPTS, 'outcome')}", "{{outcome}}"),
        stacked=True,
    )
    yield lines(
        Face(
            "Attempts that failed · per attempt",
            "The share of each subscription's attempts that did not deliver.",
            "percentunit",
        ),
        Query(
            share(
                rate(_ATTEMPTS, "subscription", outcome="failed|dead"),
                rate(_ATTEMPTS, "subscription"),
            ),
            _EACH,
        ),
    )
    yield lines(
        Face("To be delivered", "Messages that wait, by subscription."),
        Query(in_tables("delivery_pending", "subscription"), _EACH),
        size=(8, 8),
    )
    yield lines(
        Face("Oldest undelivered", "Age of the oldest message that waits.", "s", limits.DELIVERY_STALLED),
        Query(highest(_OLDEST, "subscription"), _EACH),
        size=(8, 8),
    )
    yield lines(
        Face("Dead letters", "Messages that were given up; what matters is whether they grow."),
        Query(in_tables(_DEAD, "subscription"), _EACH),
        size=(8, 8),
    )


def _quick() -> Iterator[Panel]:
    yield lines(
        Face("Time of attempts by subscription · per attempt", "95 of 100 attempts are quicker.", "s"),
        Query(quantile(0.95, _DURATION, "subscription"), _EACH),
    )
    yield heat(
        Face("Attempts by time · per attempt", "How long subscribers took to answer.", "s"),
        buckets(_DURATION),
    )
    yield lines(
        Face(
            "From fact to delivery by subscription · per message",
            "95 of 100 messages are quicker, from the fact that made them, failed attempts included.",
            "s",
        ),
        Query(quantile(0.95, _END_TO_END, "subscription"), _EACH),
    )
    yield heat(
        Face("Messages by time · per message", "From the fact that made a message to its delivery.", "s"),
        buckets(_END_TO_END),
    )


def board() -> Board:
    return Board(
        "deliveries",
        "Receiver · Deliveries",
        "Do subscribers get their messages, which does not, and how quickly?",
        (
            Row("Is it fine?", list(_fine())),
            Row("Which subscription?", list(_which())),
            Row("What becomes of messages?", list(_becomes())),
            Row("How quick is it?", list(_quick())),
        ),
    )
