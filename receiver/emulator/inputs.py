"""Validation of clients' input. Errors name the field and never quote its value."""

import json
from math import nan
from typing import Annotated, Any, Literal, TypeVar

import httpx2
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from starlette.requests import Request

from receiver.emulator.clock import parse_date_time
from receiver.emulator.errors import ApiError, bad_input
from receiver.emulator.records import EVENTS, Plan

EPOCHS_BEGIN = 1_000_000_000
"""Smallest number that is an epoch; smaller ones are seconds from now."""
LAST_START = 4_102_444_800
"""Latest start of a task in epoch seconds: the year 2100."""
MAX_PER_PAGE = 100

Text = Annotated[str, Field(max_length=1000)]
Number = Annotated[str, Field(min_length=1, max_length=64)]
OnOff = Literal["on", "off"]


class Input(BaseModel):
    """An input. Unknown fields are ignored; null means absent."""

    model_config = ConfigDict(str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: object) -> object:
        if isinstance(data, dict):
            return {name: value for name, value in data.items() if value is not None}
        return data


class QueueInput(Input):
    name: Annotated[str, Field(min_length=1, max_length=255)]
    comment: Text = ""
    status: OnOff = "off"
    concurrent_task_limit: int = Field(10, ge=1)


class QueueChange(Input):
    comment: Text | None = None
    status: OnOff | None = None
    concurrent_task_limit: int | None = Field(None, ge=1)


class TaskInput(Input):
    name: Text = ""
    a_number: Number
    b_number: Number
    extension_id: int | None = Field(None, ge=0, lt=2**63)
    try_count: int = Field(1, ge=1, le=50)
    try_again_pause: int = Field(60, ge=0, le=10**8)
    url_before: Text = ""
    url_before_again: Text = ""
    url_success: Text = ""
    url_after: Text = ""
    start_time_utc: Annotated[float, Field(validate_default=True)] = 0.0

    @field_validator("url_before", "url_before_again", "url_success", "url_after")
    @classmethod
    def _is_a_url(cls, value: str) -> str:
        if value and not _is_sendable(value):
            raise ValueError("must be an http or https URL")
        return value

    @field_validator("start_time_utc", mode="before")
    @classmethod
    def _to_epoch(cls, value: object, info: ValidationInfo) -> float:
        """Return the epoch of a UTC date and time, an epoch, or seconds from the context's `now`."""
        try:
            epoch = _epoch(value, (info.context or {})["now"])
        except (ValueError, OverflowError):
            epoch = nan
        if not 0 <= epoch <= LAST_START:
            raise ValueError("must be YYYY-MM-DD HH:MM:SS in UTC, or a number of seconds from now")
        return epoch

    def plan(self) -> Plan:
        return Plan(
            name=self.name,
            a_number=self.a_number,
            b_number=self.b_number,
            extension_id=self.extension_id,
            try_count=self.try_count,
            try_again_pause=self.try_again_pause,
            start_at=self.start_time_utc,
            urls={event: getattr(self, f"url_{event}") for event in EVENTS},
        )


class TasksInput(Input):
    tasks: list[TaskInput] = Field(min_length=1)


class Page(BaseModel):
    page: int = Field(1, ge=1, le=10**9)
    per_page: int = Field(20, ge=1, le=MAX_PER_PAGE)

    @property
    def bounds(self) -> slice:
        return slice((self.page - 1) * self.per_page, self.page * self.per_page)


Model = TypeVar("Model", bound=BaseModel)


async def read_body(request: Request, model: type[Model], now: float) -> Model:
    """Return the JSON body as a model. Raises ApiError (400)."""
    try:
        data = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise bad_input("body", "must be JSON") from None
    return _validated(model, data, now)


def read_page(request: Request) -> Page:
    return _validated(Page, dict(request.query_params), 0.0)


def _validated(model: type[Model], data: Any, now: float) -> Model:
    try:
        return model.model_validate(data, context={"now": now})
    except ValidationError as error:
        raise _refusal(error) from None


def _refusal(error: ValidationError) -> ApiError:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "body"
    return bad_input(field, first["msg"].removeprefix("Value error, "))


def _is_sendable(url: str) -> bool:
    """Return whether hooks can be sent to a URL."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        return False
    return parsed.scheme in {"http", "https"} and bool(parsed.host) and (parsed.port or 0) < 2**16


def _epoch(value: object, now: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("neither a text nor a number")
    try:
        seconds = float(value)
    except ValueError:
        return parse_date_time(str(value).strip())
    if seconds < 0:
        raise ValueError("in the past")
    return seconds if seconds >= EPOCHS_BEGIN else now + seconds
