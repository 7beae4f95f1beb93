"""The endpoints of outcomes, subscriptions and messages."""

from dataclasses import replace

from receiver.http.endpoint import Endpoint
from receiver.outcomes.event_endpoints import EVENTS_ENDPOINT
from receiver.outcomes.feed import read_outcomes
from receiver.outcomes.message_endpoints import (
    get_message,
    list_event_types,
    list_messages,
    list_operator_events,
)
from receiver.outcomes.params import (
    MessageQuery,
    OperatorEventQuery,
    OutcomeQuery,
    ResendBody,
    RetryBody,
    RotateBody,
    SubscriptionBody,
    SubscriptionChange,
)
from receiver.outcomes.preview import PreviewQuery, RequestPreview, preview
from receiver.outcomes.resend_endpoints import resend, retry_messages
from receiver.outcomes.schemas import (
    ChangedSubscription,
    DeletedSubscription,
    EventTypeList,
    MessageDetails,
    MessagePage,
    OperatorEventPage,
    OutcomeFeed,
    ResendResult,
    RetriedMessage,
    RetriedMessages,
    SendResult,
    SubscriptionDetails,
    SubscriptionList,
    SubscriptionWithSecret,
)
from receiver.outcomes.send_endpoints import retry_message, send_test
from receiver.outcomes.subscription_endpoints import (
    add_subscription,
    change_subscription,
    get_subscription,
    list_subscriptions,
    remove_subscription,
    rotate_secret,
)
from receiver.outcomes.subscription_tokens import (
    SUBSCRIPTION_TOKEN_ENDPOINTS,
    subscription_of_message,
    subscription_of_path,
)

_SUBSCRIPTION = "/v1/subscriptions/{subscription}"

_ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/event-types",
        "List event types",
        "The types of outcome events, each with its JSON Schema and an example.",
        "read",
        EventTypeList,
        list_event_types,
    ),
    Endpoint(
        "GET",
        "/v1/outcomes",
        "Read the feed of outcomes",
        "Outcomes in the order of their publication. Pass the answer's `cursor` as `after` to get those that "
        "follow: you get each outcome once. `/v1/outcomes/stream` sends the same as server-sent events, from "
        "now on or after `Last-Event-ID`. Phone numbers are masked without the scope `numbers`.",
        "read",
        OutcomeFeed,
        read_outcomes,
        OutcomeQuery,
    ),
    EVENTS_ENDPOINT,
    Endpoint(
        "GET",
        "/v1/subscriptions",
        "List subscriptions",
        "All subscriptions, with the number of messages that are not delivered yet. The paths of one take "
        "its id, or its name if no other has it.",
        "read",
        SubscriptionList,
        list_subscriptions,
    ),
    Endpoint(
        "POST",
        "/v1/subscriptions",
        "Subscribe",
        "Outcomes that are published from now on are posted to the URL, signed by Standard Webhooks 1.0.0. "
        "Only this answer shows the secret.",
        "subscribe",
        SubscriptionWithSecret,
        add_subscription,
        body=SubscriptionBody,
    ),
    Endpoint(
        "GET",
        _SUBSCRIPTION,
        "Get a subscription",
        "One subscription, as in the list.",
        "read",
        SubscriptionDetails,
        get_subscription,
        own=subscription_of_path,
    ),
    Endpoint(
        "PATCH",
        _SUBSCRIPTION,
        "Change, pause or resume a subscription",
        "An option that is left out stays as it is, and so does a value in `options` that is sent as it is "
        "shown: `•••`. Messages of a paused subscription wait. The `state` "
        "`active` resumes a disabled subscription too; resend the outcomes that it has missed.",
        "subscribe",
        ChangedSubscription,
        change_subscription,
        body=SubscriptionChange,
    ),
    Endpoint(
        "DELETE",
        _SUBSCRIPTION,
        "Delete a subscription",
        "Deletes the subscription and its messages. Outcomes stay in the feed.",
        "subscribe",
        DeletedSubscription,
        remove_subscription,
    ),
    Endpoint(
        "POST",
        f"{_SUBSCRIPTION}/rotate",
        "Rotate the secret",
        "Deliveries are signed with the new secret and, for a while, with the old ones as well.",
        "subscribe",
        SubscriptionWithSecret,
        rotate_secret,
        body=RotateBody,
        own=subscription_of_path,
    ),
    Endpoint(
        "POST",
        f"{_SUBSCRIPTION}/test",
        "Send a test event",
        "Sends an event of the type `receiver.test` without a task at once, and answers with the result: "
        "`delivered` says whether it arrived. It waits for no other event, and is in no feed.",
        "subscribe",
        SendResult,
        send_test,
        own=subscription_of_path,
    ),
    Endpoint(
        "GET",
        f"{_SUBSCRIPTION}/preview",
        "Preview a request",
        "The request that would be sent for a task's last outcome, or for an example of an event. Nothing "
        "is sent. Secrets in headers are hidden, and phone numbers masked without the scope `numbers`.",
        "subscribe",
        RequestPreview,
        preview,
        PreviewQuery,
        own=subscription_of_path,
    ),
    Endpoint(
        "POST",
        f"{_SUBSCRIPTION}/replay",
        "Resend outcomes",
        "Sends published outcomes again: those of a period, those with some ids, or dead letters, whether "
        "they were delivered or not. The `webhook-id` stays the same. With `dry_run` they are only counted.",
        "subscribe",
        ResendResult,
        resend,
        body=ResendBody,
    ),
    *SUBSCRIPTION_TOKEN_ENDPOINTS,
    Endpoint(
        "POST",
        f"{_SUBSCRIPTION}/retry",
        "Retry messages",
        "Makes messages that wait for a later attempt due now, resends dead letters, or both. A pause that "
        "the subscriber asked for ends. With `dry_run` they are only counted.",
        "subscribe",
        RetriedMessages,
        retry_messages,
        body=RetryBody,
        own=subscription_of_path,
    ),
    Endpoint(
        "GET",
        f"{_SUBSCRIPTION}/messages",
        "List messages of a subscription",
        "One message for each outcome, newest first. The `state` `dead` lists dead letters.",
        "read",
        MessagePage,
        list_messages,
        MessageQuery,
        own=subscription_of_path,
    ),
    Endpoint(
        "POST",
        f"{_SUBSCRIPTION}/messages/{{message}}/retry",
        "Send a message now",
        "Sends one message at once, and answers with the result. A waiting one is sent after those of its "
        "task that go before it; one that is delivered or dead is sent again. After a failure it is tried "
        "again when it was due.",
        "subscribe",
        RetriedMessage,
        retry_message,
        own=subscription_of_message,
    ),
    Endpoint(
        "GET",
        "/v1/messages/{message}",
        "Get a message",
        "A message with every attempt to deliver it: status, duration, and beginning of the response.",
        "read",
        MessageDetails,
        get_message,
        own=subscription_of_message,
    ),
    Endpoint(
        "GET",
        "/v1/operator-events",
        "List operator events",
        "Events that the operator should know about, newest first, such as a disabled subscription.",
        "read",
        OperatorEventPage,
        list_operator_events,
        OperatorEventQuery,
    ),
)

OUTBOUND_ENDPOINTS = tuple(
    # Several subscriptions may have the name that the path gives.
    replace(endpoint, problems=(*endpoint.problems, "409")) if "{subscription}" in endpoint.path else endpoint
    for endpoint in _ENDPOINTS
)
