"""The answer that tells the story of a task."""

from typing import Literal

from pydantic import BaseModel, Field

from receiver.domain.facts import Event
from receiver.domain.reasons import CallResult, FailedLeg, Side
from receiver.http.schemas import CallId, Count, Json, Moment, Number, Seconds
from receiver.intake.schemas import DeliveryView
from receiver.outcomes.schemas import DeliveryAttempt, Message
from receiver.story.customer import MANY, SHOWN
from receiver.story.waits import WaitKind
from receiver.tasks.schemas import Flag, Task, TimelineView


class StoryWait(BaseModel):
    """One thing that the task waits for, and why nothing moves."""

    kind: WaitKind = Field(
        description="`fold`: facts that are not folded yet; `call`: the scheduler's next step; `question`: "
        "an answer of the API; `late_hooks`: the end of the time for late hooks; `message`: a delivery; "
        "`person`: nothing happens until a person acts.",
        examples=["message"],
    )
    text: str = Field(examples=["Message 4711 (task.finished) to sales CRM; is being sent."])
    until: Moment | None = Field(description="Until when, or when it is tried next; null: not known.")


class StoryLeg(BaseModel):
    """A leg of a call with its times, by call history."""

    side: Side = Field(description="`a`: called first; `b`: called second.", examples=["a"])
    number: Number | None = Field(description="Masked without the scope `numbers`.")
    answered: bool = Field(examples=[True])
    dialed_at: Moment | None
    answered_at: Moment | None = Field(description="null: it did not answer, or the time is not known.")
    ended_at: Moment | None
    result: str | None = Field(description="The vendor's word.", examples=["answered"])
    hangup_cause: str | None = Field(examples=["NORMAL_CLEARING"])
    record: str | None = Field(
        description="The vendor's id of the recording; null: none.",
        examples=["7c1e4a7b-9d52-4f0e-8a8c-2b110b6f3a52"],
    )
    recording: str | None = Field(
        description="Link to the recording; null without `accounts.NAME.recording_url` in the settings.",
        examples=["https://pbx.example/records/7c1e4a7b-9d52-4f0e-8a8c-2b110b6f3a52"],
    )


class StoryAttempt(BaseModel):
    """An attempt to call, with the legs of its call according to call history."""

    number: int = Field(examples=[1])
    planned_at: Moment | None = Field(
        description="Planned start: of the task, or a pause after the end of the attempt before."
    )
    started_at: Moment | None
    connected_at: Moment | None = Field(description="When A and B were connected.")
    ended_at: Moment | None
    late_s: Seconds | None = Field(description="Seconds from the planned start to the start.")
    pause_s: Seconds | None = Field(
        description="Seconds since the end of the attempt before. `task.pause`: planned."
    )
    call: CallId | None
    connected: bool | None = Field(
        description="Whether it made the task a success; null: not known yet.", examples=[True]
    )
    a_answered: bool | None = Field(examples=[True])
    b_answered: bool | None = Field(description="null: not dialed, or not known.", examples=[True])
    reason: CallResult | None = Field(description="null while it is under way.", examples=["connected"])
    raw_reason: str | None = Field(description="The vendor's words.", examples=["NORMAL_CLEARING"])
    failed_leg: FailedLeg | None = Field(examples=[None])
    gap_s: Seconds | None = Field(description="Seconds since the start of the attempt before.")
    talk_s: Seconds | None = Field(description="Seconds for which both sides were connected.")
    total_s: Seconds | None = Field(description="Seconds of the whole call.")
    legs: list[Json] = Field(
        description="Legs as the API sent them; numbers are masked without the scope `numbers`.",
        examples=[[{"dest_number": "+791•••67", "result": "answered"}]],
    )
    dialed: list[StoryLeg] = Field(description="The legs with their times, in order.")


class StoryContradiction(BaseModel):
    """Something that does not fit together: drift or an anomaly."""

    kind: str = Field(examples=["result"])
    count: Count
    text: str = Field(examples=["Hooks and API disagree on the result; the API counts."])
    detail: str = Field(description="More, in English; empty: nothing.", examples=[""])
    facts: list[int] = Field(
        description="Places in `facts`, from 0, of those that show it.", examples=[[2, 3]]
    )


class HookArrival(BaseModel):
    """A hook that came."""

    at: Moment
    delivery_id: str | None = Field(examples=["019ca8d1e5f0a1b2c3d4e5f60718293a"])
    flags: list[Flag] = Field(description="What is unusual about it.", examples=[["late"]])


class StoryHook(BaseModel):
    """The hooks of one event."""

    event: Event = Field(examples=["after"])
    expected: Count
    arrived: int = Field(description="Without repeats.", examples=[1])
    missing: int = Field(examples=[0])
    fate: Literal["awaited", "lost", "suspected"] | None = Field(
        description="What is known of the missing ones; `suspected`: perhaps lost.", examples=[None]
    )
    came: list[HookArrival] = Field(description="In order of arrival, with repeats.")


class StoryDelivery(DeliveryView):
    """A raw delivery that is still stored. `path`: shows its content, with the scope `numbers`."""

    path: str = Field(examples=["/v1/deliveries/019ca8d1e5f0a1b2c3d4e5f60718293a"])


class StoryEvent(BaseModel):
    """An outcome event of the task."""

    id: str = Field(examples=["evt_4f0c2f7f5d1b4b0e9a3c6d2e8f7a1b0c"])
    type: str = Field(examples=["task.finished"])
    number: int = Field(
        description="Attempt of `task.attempt_started`, revision of `task.reconciled`, else 0.", examples=[0]
    )
    result: str = Field(examples=["connected"])
    at: Moment = Field(description="When it happened.")
    told_at: Moment = Field(description="When it was published.")


class StoryMessage(Message):
    """A message with every attempt to deliver it."""

    blocked_by: int | None = Field(
        description="`seq` of the message of the same task that must be delivered before.", examples=[None]
    )
    postings: list[DeliveryAttempt] = Field(
        description="Attempts in order; phone numbers in answers are masked without the scope `numbers`."
    )


class StorySubscriber(BaseModel):
    """What one subscription was told of the task."""

    subscription: str = Field(examples=["sub_1f0c9be64a7e8f20"])
    name: str | None = Field(description="null: removed.", examples=["sales CRM"])
    state: Literal["active", "paused", "disabled"] | None = Field(examples=["active"])
    failing_since: Moment | None = Field(description="First of the failures in a row, of any task.")
    problem: str | None = Field(description="Why it fails.", examples=["answered 401"])
    messages: list[StoryMessage]


class StoryNumber(BaseModel):
    """Other tasks with one of the task's numbers, which are probably of the same customer."""

    leg: Literal["a", "b"] = Field(description="Which number of this task it is.", examples=["b"])
    number: Number = Field(description="In E.164; masked without the scope `numbers`.")
    count: int = Field(description="Number of other tasks.", examples=[3])
    tasks: list[Task] = Field(description=f"The latest, at most {SHOWN}.")


class Story(TimelineView):
    """The whole story of a task. `facts`: in order of arrival."""

    at: Moment = Field(description="When it is told, or `as_of`.")
    zone: str = Field(description="Time zone of the sentences.", examples=["Europe/Moscow"])
    sentences: list[str] = Field(
        description="What happened, for people.",
        examples=[
            ["Called 3 of 5 times; connected at 14:02:10 for 1 min 4 s; confirmed by the API 3 s later."]
        ],
    )
    waits: list[StoryWait] | None = Field(
        description="What it waits for; empty: nothing. null with `as_of`, since only the present is known."
    )
    contradictions: list[StoryContradiction]
    attempts: list[StoryAttempt]
    next_attempt_at: Moment | None = Field(
        description="Planned start of the next attempt, or its earliest one; null: none is known."
    )
    hooks: list[StoryHook]
    deliveries: list[StoryDelivery] = Field(description="Raw deliveries that are still stored.")
    events: list[StoryEvent] = Field(description="Outcome events in the order of their publication.")
    subscribers: list[StorySubscriber] = Field(description="By id of the subscription.")
    same_number: list[StoryNumber] = Field(
        description=f"Other tasks with the same international number. A number with more than {MANY} tasks "
        "is left out: it is no customer's."
    )
