"""How one emulator is set up."""

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
    """One account: the number in the paths, and the OAuth application that may act for it."""

    number: str = "10001"
    client_id: str = "demo-application"
    client_secret: str = field(default="demo-secret", repr=False)


@dataclass(frozen=True)
class EmulatorConfig:
    """Durations are emulated seconds unless said otherwise."""

    accounts: tuple[AccountConfig, ...] = (AccountConfig(),)
    seed: int = 1
    dialect: DialectName = "task_form"
    """The wire form of the hooks; `mixed` chooses one for each task."""
    faults: Faults = PROFILES["none"]
    quirks: Quirks = frozenset()
    """Those that every account has, beside what the faults draw for it."""
    list_cap: int = 100
    """Tasks in a list of an account with the quirk `capped_lists`."""
    page_cap: int = 20
    """Tasks on a page with the quirks `small_pages` or `page_ignored`."""
    speed: float = 1.0
    origin: float | None = None
    """Epoch seconds where real and emulated time agree; None: the moment of creation."""
    answer_rate: float | None = None
    """The chance that a dialled leg answers; None: by hour of day and number."""
    token_ttl: float = 3600.0
    quota: int = 10_000
    """API calls an hour for each account."""
    list_shape: ListShape = "array"
    """Task lists and creations answer a bare array, or an envelope with the tasks under this key."""
    later_revision: bool = False
    """Use the fields, types and words that later revisions of the API add."""
    history_seconds: float = 0.2
    """How long a call history request takes; meanwhile another one of the account is refused."""
    hook_timeout: float = 10.0
    """Seconds of the event loop for one hook request."""
    hook_retries: int = 0
    hook_retry_pause: float = 5.0
    hook_concurrency: int = 50
