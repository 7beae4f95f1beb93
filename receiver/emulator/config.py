"""The configuration of an emulator."""

from dataclasses import dataclass, field
from typing import Literal

from receiver.emulator.faults import PROFILES, Faults
from receiver.emulator.quirks import Quirks

ListShape = Literal["array", "tasks", "task", "results", "items"]
DialectName = Literal[
    "mixed",
    "task_get",
    "task_form",
    "task_json",
    "event_form",
    "event_get",
    "empty",
    "empty_get",
    "task_form_cp1251",
    "json_in_form",
    "task_multipart",
    "raw_utf8_get",
    "raw_cp1251_get",
    "raw_space_get",
    "bracket_form",
    "bracket_get",
    "list_form",
    "dotted_form",
    "nested_json",
    "digit_keys",
    "html_form",
    "html_get",
    "escaped_twice",
    "json_text",
    "json_in_json",
    "gzip",
    "deflate",
    "raw_deflate",
    "gzip_unnamed",
    "gzip_misnamed",
    "gzip_in_name",
    "array",
    "events_list",
    "json_lines",
    "floats_json",
    "floats_form",
    "texts_json",
    "numbers_json",
    "words_form",
    "words_json",
    "placeholders",
    "half_placeholders",
    "braces_form",
    "braces_json",
    "fourteen_digits",
    "nanoseconds",
    "zone",
    "zone_space",
    "empty_dates",
    "lines",
    "pasted_space",
    "pasted_newline",
    "pasted_raw",
]


@dataclass(frozen=True)
class AccountConfig:
    """An account: its number in paths, and its OAuth application."""

    number: str = "10001"
    client_id: str = "demo-application"
    client_secret: str = field(default="demo-secret", repr=False)


@dataclass(frozen=True)
class EmulatorConfig:
    """Durations are emulated seconds unless stated otherwise."""

    accounts: tuple[AccountConfig, ...] = (AccountConfig(),)
    seed: int = 1
    dialect: DialectName = "task_form"
    """Format of the hooks; `mixed` draws one for each task."""
    faults: Faults = PROFILES["none"]
    quirks: Quirks = frozenset()
    """Quirks of all accounts, in addition to those drawn by the faults."""
    list_cap: int = 100
    """Maximum number of tasks in a list with the quirk `capped_lists`."""
    page_cap: int = 20
    """Maximum number of tasks per page with the quirks `small_pages` or `page_ignored`."""
    speed: float = 1.0
    origin: float | None = None
    """Epoch second at which real and emulated time agree; None: the time of creation."""
    answer_rate: float | None = None
    """Probability that a dialed leg answers; None: by hour of day and number."""
    token_ttl: float = 3600.0
    quota: int = 10_000
    """API calls per hour and account."""
    list_shape: ListShape = "array"
    """Form of task lists and creations: a bare array, or an object with the tasks under this key."""
    later_revision: bool = False
    """Whether to use the fields, types and words of later revisions of the API."""
    history_seconds: float = 0.2
    """Duration of a call history request; others of the account are refused meanwhile."""
    hook_timeout: float = 10.0
    """Timeout of a hook request in seconds of the event loop."""
    hook_retries: int = 0
    hook_retry_pause: float = 5.0
    hook_concurrency: int = 50
