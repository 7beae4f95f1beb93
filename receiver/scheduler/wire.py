"""The scheduler's records and requests. Records keep unknown fields; only `id` is required."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from receiver.domain.facts import EVENTS
from receiver.domain.fields import call_key
from receiver.domain.moments import EPOCH_CEILING, EPOCH_FLOOR, read_moment, utc_text
from receiver.scheduler.values import id_of, number_of, start_epoch, text_of, whole_of, word_of

Id = Annotated[str, BeforeValidator(id_of)]
IdOrNone = Annotated[str | None, BeforeValidator(id_of)]
Text = Annotated[str | None, BeforeValidator(text_of)]
Word = Annotated[str | None, BeforeValidator(word_of)]
"""One of the scheduler's own words, in lower case."""
Number = Annotated[float | None, BeforeValidator(number_of)]
Whole = Annotated[int | None, BeforeValidator(whole_of)]
_URLS = frozenset(f"url_{event}" for event in EVENTS)


class _Model(BaseModel):
    """Its repr shows only the id: other fields may be phone numbers, or URLs that carry a MAC."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return [(name, value) for name, value in self.__dict__.items() if name in {"id", "call_uuid"}]


class _HookUrls(_Model):
    url_before: Text = None
    url_before_again: Text = None
    url_success: Text = None
    url_after: Text = None

    @property
    def urls(self) -> dict[str, str]:
        """URLs by event, of events that have one."""
        named = ((event, getattr(self, f"url_{event}")) for event in EVENTS)
        return {event: url for event, url in named if url}

    @property
    def has_urls(self) -> bool:
        """Whether the record has any of the four fields: without them its URLs are not known."""
        return not self.model_fields_set.isdisjoint(_URLS)


class QueueRecord(_Model):
    """A `task_scheduler` resource."""

    id: Id
    name: Text = None
    comment: Text = None
    status: Word = None
    concurrent_task_limit: Whole = None
    create_date_utc: Text = None

    @property
    def is_on(self) -> bool:
        return self.status == "on"

    @property
    def created_at(self) -> float | None:
        return read_moment(self.create_date_utc)


class TaskRecord(_HookUrls):
    """A callback task as the scheduler sees it. `status` is the scheduler's own word, known or not."""

    id: Id
    scheduler_id: IdOrNone = None
    name: Text = None
    a_number: Text = None
    b_number: Text = None
    extension_id: Text = None
    try_count: Whole = None
    try_again_pause: Text = None
    start_time_utc: Text = None
    status: Word = None
    finish_result: Word = None
    finish_comment: Text = None
    cdr: IdOrNone = None
    create_date_utc: Text = None

    @property
    def created_at(self) -> float | None:
        return read_moment(self.create_date_utc)

    @property
    def starts_at(self) -> float | None:
        """Epoch seconds; `start_time_utc` may be a datetime, an epoch or seconds after the creation."""
        return start_epoch(self.start_time_utc, self.created_at)

    @property
    def pause(self) -> float | None:
        """Seconds between attempts."""
        return number_of(self.try_again_pause)

    @property
    def is_finished(self) -> bool:
        return self.status == "finished"


class CallLeg(_Model):
    """One entry of a call's `cdr` list."""

    application: Text = None
    record_uuid: Text = None
    source_number: Text = None
    dest_number: Text = None
    result: Text = None
    start_time_gmt: Text = None
    bridged_time_gmt: Text = None
    hangup_time_gmt: Text = None
    duration: Number = None


def _legs(value: object) -> list[object]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict | CallLeg)]


class CallHistoryRecord(_Model):
    """A call of the history. Durations in seconds; times as sent, UTC: read them with `read_moment`."""

    call_uuid: Id
    flow: Text = None
    result: Text = None
    hangup_cause: Text = None
    hangup_disposition: Text = None
    init_time_gmt: Text = None
    start_time_gmt: Text = None
    bridged_time_gmt: Text = None
    hangup_time_gmt: Text = None
    duration: Number = None
    bridged_duration: Number = None
    from_username: Text = None
    to_username: Text = None
    bridged_username: Text = None
    extension_id: Text = None
    extension_name: Text = None
    did_number: Text = None
    cdr: Annotated[list[CallLeg], BeforeValidator(_legs)] = Field(default_factory=list)

    @property
    def key(self) -> str | None:
        """The uuid for comparison."""
        return call_key(self.call_uuid)


class NewTask(_HookUrls):
    """A task to create. It is recognized by its URLs, which are minted for it alone.

    `start_time_utc`: a `YYYY-MM-DD HH:MM:SS`, a datetime, an epoch, or (below 10⁹) seconds from now.
    """

    name: Text = None
    a_number: Annotated[str, Field(min_length=1)]
    b_number: Annotated[str, Field(min_length=1)]
    extension_id: int | str | None = None
    try_count: Annotated[int, Field(ge=1, le=50)] = 1
    try_again_pause: Annotated[int, Field(ge=0)] | None = None
    start_time_utc: str | int | None = None

    @field_validator("start_time_utc", mode="before")
    @classmethod
    def _start(cls, value: object) -> object:
        """Write a moment as a datetime: a number would be read as seconds from now."""
        if isinstance(value, datetime):
            return utc_text(value.timestamp()) if value.tzinfo else value.strftime("%Y-%m-%d %H:%M:%S")
        number = number_of(value)
        if number is None:
            return value
        if not 0 <= number < EPOCH_CEILING:
            raise ValueError("a start is given in seconds: from now, or since 1970")
        return utc_text(number) if number >= EPOCH_FLOOR else int(number)

    def starts_at(self, sent_at: float) -> float:
        """Return the earliest start, in epoch seconds, of a task sent at that moment."""
        return max(sent_at, start_epoch(self.start_time_utc, sent_at) or sent_at)

    def payload(self, *, pause_as_text: bool) -> dict[str, Any]:
        fields = self.model_dump(mode="json", exclude_none=True)
        if pause_as_text and self.try_again_pause is not None:
            fields["try_again_pause"] = str(self.try_again_pause)
        return fields


class NewQueue(_Model):
    """A queue to create; the scheduler's default for `status` is off."""

    name: Annotated[str, Field(min_length=1)]
    comment: str | None = None
    status: Literal["on", "off"] | None = None
    concurrent_task_limit: Annotated[int, Field(ge=1)] | None = None


class QueueChange(_Model):
    """Changes of a queue; fields that are not given stay as they are."""

    comment: str | None = None
    status: Literal["on", "off"] | None = None
    concurrent_task_limit: Annotated[int, Field(ge=1)] | None = None
