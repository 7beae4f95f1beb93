"""The endpoints of what goes out: outcomes, subscriptions, messages."""

from receiver.http.endpoint import Endpoint
from receiver.outcomes.feed import list_event_types, read_outcomes
from receiver.outcomes.message_endpoints import get_message, list_messages, list_operator_events
from receiver.outcomes.params import (
    MessageQuery,
    OperatorEventQuery,
    OutcomeQuery,
    ReplayBody,
    RotateBody,
    SubscriptionBody,
    SubscriptionChange,
)
from receiver.outcomes.schemas import (
    EventTypeList,
    MessagePage,
    NewSubscription,
    OperatorEventPage,
    OutcomeFeed,
    Removed,
    ReplayDone,
    Subscription,
    SubscriptionList,
    TestSent,
    WholeMessage,
)
from receiver.outcomes.subscription_endpoints import (
    add_subscription,
    change_subscription,
    get_subscription,
    list_subscriptions,
    remove_subscription,
    replay,
    rotate_secret,
    send_test,
)

_ONE = "/v1/subscriptions/{subscription}"

OUTBOUND_ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/event-types",
        "List event types",
        "What is told of tasks: each type with its JSON Schema and an example.",
        "read",
        EventTypeList,
        list_event_types,
    ),
    Endpoint(
        "GET",
        "/v1/outcomes",
        "Read the feed of outcomes",
        "In the order in which they were told. Ask again with `after` set to the answer's `cursor`: none is "
        "missed, and none comes twice. `/v1/outcomes/stream` gives the same as server-sent events, from now "
        "on or from behind `Last-Event-ID`. Phone numbers are masked without the scope `numbers`.",
        "read",
        OutcomeFeed,
        read_outcomes,
        OutcomeQuery,
    ),
    Endpoint(
        "GET",
        "/v1/subscriptions",
        "List subscriptions",
        "All of them, with what waits for each.",
        "read",
        SubscriptionList,
        list_subscriptions,
    ),
    Endpoint(
        "POST",
        "/v1/subscriptions",
        "Subscribe",
        "Outcomes told from now on are posted to the URL, signed as Standard Webhooks 1.0.0 has it. The "
        "secret is shown this once.",
        "subscribe",
        NewSubscription,
        add_subscription,
        body=SubscriptionBody,
    ),
    Endpoint(
        "GET",
        _ONE,
        "Look one subscription up",
        "As in the list.",
        "read",
        Subscription,
        get_subscription,
    ),
    Endpoint(
        "PATCH",
        _ONE,
        "Change, pause or resume a subscription",
        "What is left out stays. While it is paused its messages are kept; one that was disabled goes on "
        "with `state` `active`, and a replay brings what it has missed.",
        "subscribe",
        Subscription,
        change_subscription,
        body=SubscriptionChange,
    ),
    Endpoint(
        "DELETE",
        _ONE,
        "End a subscription",
        "It is taken away with all its messages; outcomes stay in the feed.",
        "subscribe",
        Removed,
        remove_subscription,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/rotate",
        "Rotate the secret",
        "Deliveries are signed with the new secret and, for a while, with the old ones as well.",
        "subscribe",
        NewSubscription,
        rotate_secret,
        body=RotateBody,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/test",
        "Send a test event",
        "An event of the type `receiver.test`, which says only that it arrives; it is in no feed.",
        "subscribe",
        TestSent,
        send_test,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/replay",
        "Send outcomes again",
        "Those of a time, of some ids, or its dead letters; with `dry_run` it is only said what would be "
        "sent. A replayed event has the `webhook-id` that it always had, and is sent whatever became of it.",
        "subscribe",
        ReplayDone,
        replay,
        body=ReplayBody,
    ),
    Endpoint(
        "GET",
        f"{_ONE}/messages",
        "List a subscription's messages",
        "What became of each outcome, newest first; `state` `dead`: the dead letters.",
        "read",
        MessagePage,
        list_messages,
        MessageQuery,
    ),
    Endpoint(
        "GET",
        "/v1/messages/{message}",
        "See every attempt to deliver a message",
        "With the status, the time it took, and how the answer began.",
        "read",
        WholeMessage,
        get_message,
    ),
    Endpoint(
        "GET",
        "/v1/operator-events",
        "List operator events",
        "What the operator should know, newest first: a subscription that was disabled, and why.",
        "read",
        OperatorEventPage,
        list_operator_events,
        OperatorEventQuery,
    ),
)
