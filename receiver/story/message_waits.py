"""What a task's messages wait for, and why they are not delivered."""

from collections import Counter
from collections.abc import Iterator, Sequence

from receiver.http.endpoint import WorkRules
from receiver.i18n.catalogue import Phrase
from receiver.outcomes.tables import OPEN
from receiver.outcomes.task_messages import TaskMessage, TaskMessages
from receiver.storage.leases import DELIVERY_LEASE
from receiver.story.evidence import StoryEvidence
from receiver.story.times import Clauses, Times
from receiver.story.waits import Wait


def message_waits(evidence: StoryEvidence, rules: WorkRules, times: Times) -> list[Wait]:
    """Return what the task's messages wait for, in the order of their subscriptions; first dead letters."""
    told = evidence.told
    dead = [Wait("person", _dead(told, message)) for message in told.messages if message.state == "dead"]
    still_open = [(message, told.blocking(message)) for message in told.messages if message.state in OPEN]
    is_stopped = list(_stopped(evidence, rules))
    behind = Counter(first.seq for _, first in still_open if first)
    return dead + [
        Wait(
            "message",
            [
                _named(told, message),
                *_reasons(told, message, is_stopped, times),
                *_followers(behind[message.seq]),
            ],
            message.due_at,
        )
        for message, first in still_open
        if first is None
    ]


def _followers(count: int) -> Iterator[Phrase]:
    if count:
        yield Phrase("story.wait.behind", {"count": count})


def subscription_name(told: TaskMessages, subscription: str) -> str:
    """Return the name of a subscription; its id if it was removed."""
    row = told.subscriptions.get(subscription)
    return row.name if row else subscription


def _named(told: TaskMessages, message: TaskMessage) -> Phrase:
    values = {"seq": str(message.seq), "type": message.type}
    return Phrase("story.wait.message", {**values, "name": subscription_name(told, message.subscription)})


def _dead(told: TaskMessages, message: TaskMessage) -> Clauses:
    clauses = [_named(told, message), Phrase("story.wait.dead", {"count": message.attempts})]
    subscription = told.subscriptions.get(message.subscription)
    if subscription and subscription.state == "disabled":
        clauses.append(Phrase("story.wait.disabled", {"reason": subscription.reason or ""}))
    elif message.problem:
        clauses.append(Phrase("story.wait.last_problem", {"problem": message.problem}))
    return [*clauses, _retry(told, message)]


def _retry(told: TaskMessages, message: TaskMessage) -> Phrase:
    name = subscription_name(told, message.subscription)
    return Phrase("story.wait.retry", {"name": name, "seq": str(message.seq)})


def _stopped(evidence: StoryEvidence, rules: WorkRules) -> Iterator[Phrase]:
    """Why no message at all is delivered."""
    if not rules.delivers:
        yield Phrase("story.wait.delivery_off")
    elif DELIVERY_LEASE not in evidence.leases:
        yield Phrase("story.wait.no_sender")


def _reasons(
    told: TaskMessages, message: TaskMessage, is_stopped: Sequence[Phrase], times: Times
) -> Iterator[Phrase]:
    subscription = told.subscriptions.get(message.subscription)
    if subscription and subscription.state == "paused":
        yield Phrase("story.wait.paused")
    yield from is_stopped
    if message.claimed_until is not None and message.claimed_until > times.now and not is_stopped:
        yield Phrase("story.wait.being_sent")
    elif message.attempts:
        problem = message.problem or ""
        yield Phrase("story.wait.failed", {"count": message.attempts, "problem": problem})
        yield Phrase("story.wait.next_try", {"when": times.when(message.due_at)})
        if not is_stopped:
            yield _retry(told, message)
    elif message.state == "held":
        yield Phrase("story.wait.held", {"at": times.at(message.due_at)})
    else:
        yield Phrase("story.wait.sent", {"when": times.when(message.due_at)})
    if subscription and subscription.slow_until is not None and subscription.slow_until > times.now:
        yield Phrase("story.wait.slow", {"at": times.at(subscription.slow_until)})
