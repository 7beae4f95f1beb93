"""The parts of the settings, each a table of the file."""

import re
from ipaddress import ip_network
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    field_validator,
    model_validator,
)

from receiver.analytics.calendar import Calendar
from receiver.domain.numbers import REGION, is_region
from receiver.domain.results import CallResult
from receiver.errors import InputError


def _network(text: str) -> str:
    return str(ip_network(text, strict=False))


Network = Annotated[str, AfterValidator(_network)]
"""An address or a CIDR block."""


class HookKeySettings(BaseModel):
    """A key that signs hook URLs. The first of the list signs, all of them verify."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(
        pattern=r"^[A-Za-z0-9_-]{1,16}$", description="Named in each URL; letters, digits, '_', '-'."
    )
    secret: SecretStr = Field(min_length=32, description="At least 32 characters, kept secret.")


class AccountSettings(BaseModel):
    """One client id at one scheduler."""

    model_config = ConfigDict(extra="forbid")
    base_url: HttpUrl = Field(description="The API's root, such as https://HOST/api/ver1.0.")
    client_id: str = Field(default="@me", description="The account's number in API paths, not the OAuth id.")
    oauth_client_id: str = Field(description="The application's id at the OAuth endpoint.")
    oauth_client_secret: SecretStr = Field(description="The application's secret at the OAuth endpoint.")
    token_url: HttpUrl | None = Field(
        default=None, description="OAuth endpoint; default /oauth/token at the host."
    )
    task_segment: str = Field(
        default="task", description="Path segment of reading, listing and deleting tasks."
    )
    create_segment: str = Field(default="tasks", description="Path segment of creating tasks.")
    per_page: int = Field(default=100, ge=1, le=1000, description="Tasks per page when listing.")
    timeout_s: float = Field(default=20.0, gt=0, description="Seconds to wait for an API answer.")
    quota_share: float = Field(
        default=0.5, gt=0, le=1, description="Part of the hourly quota for reconciliation."
    )
    region: str = Field(
        default=REGION, description="Country of phone numbers that are written without its code, such as DE."
    )
    quickest_call_s: float = Field(
        default=5.0,
        ge=0,
        description="Least seconds from a task's start to its end. A list may hide finished tasks: a task "
        "that it does not show is created again only if it cannot have finished.",
    )
    failed_uses_all_attempts: bool = Field(
        default=True,
        description="A task fails only once all its attempts are used. After a change, run "
        "`receiver rebuild`.",
    )
    fixed_secret: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Opens /hooks/ACCOUNT/EVENT/SECRET, for tasks without minted URLs.",
    )
    fixed_addresses: tuple[Network, ...] = Field(
        default=(), description="Addresses that may use /hooks/ACCOUNT/EVENT without a secret."
    )

    @field_validator("region")
    @classmethod
    def _region_is_a_country(cls, region: str) -> str:
        if not is_region(region):
            raise ValueError(f"'{region}' is no country: give its two capital letters, such as DE")
        return region


class ApiSettings(BaseModel):
    """Where the API, the documentation and the metrics are served: a listener apart from that for hooks."""

    model_config = ConfigDict(extra="forbid")
    host: str = Field(default="127.0.0.1", description="Address of the API; keep it off the Internet.")
    port: int = Field(default=8081, ge=0, le=65535, description="Port of the API; 0 takes a free one.")


class ListenerSettings(BaseModel):
    """Limits and deadlines of connections that bring hooks."""

    model_config = ConfigDict(extra="forbid")
    max_connections: int = Field(
        default=10_000,
        ge=1,
        description="Open connections; beyond, one that has brought no hook for a tenth of a second, or "
        "else the one that is idle for longest, is closed, and until then new ones wait. "
        "Fewer where the system allows the process fewer files.",
    )
    max_head_bytes: int = Field(
        default=32_768, ge=1024, le=1_048_576, description="Bytes of a request's line and headers."
    )
    head_s: float = Field(default=10.0, gt=0, description="Seconds in which line and headers must come.")
    body_s: float = Field(default=30.0, gt=0, description="Seconds in which the body must come.")
    idle_s: float = Field(
        default=75.0,
        gt=0,
        description="Seconds for which an idle connection is kept; longer than your proxy keeps it.",
    )


class InboxSettings(BaseModel):
    """How many hooks may wait to be read. Beyond either limit hooks are answered 503."""

    model_config = ConfigDict(extra="forbid")
    max_hooks: int = Field(default=2_000_000, ge=1, description="Unread hooks.")
    max_bytes: int = Field(
        default=2_147_483_648, ge=1_048_576, description="Bytes of unread hooks in the store."
    )


class ReconcileSettings(BaseModel):
    """When the scheduler's API is asked. Seconds."""

    model_config = ConfigDict(extra="forbid")
    enabled: bool = Field(default=True, description="Run reconciliation inside `serve`.")
    confirm_after_s: float = Field(
        default=2.0, ge=0, description="Ask for the end so long after an `after` hook."
    )
    overdue_after_s: float = Field(
        default=120.0, ge=0, description="Ask so long after a task should have moved."
    )
    late_hook_grace_s: float = Field(
        default=300.0, ge=0, description="Hooks missing so long after the end are lost."
    )
    ask_again_s: float = Field(default=60.0, gt=0, description="First pause before asking again; doubles.")
    sweep_every_s: float = Field(
        default=900.0, gt=0, description="Every queue is read through at least so often."
    )
    poll_s: float = Field(default=1.0, gt=0, description="How often to look for what is due.")


Days = Annotated[float, Field(ge=1, le=36_500)]


class DeliverySettings(BaseModel):
    """How outcomes are delivered to subscribers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="Deliver outcomes.")
    allowed_networks: tuple[Network, ...] = Field(
        default=(), description="Private networks that subscribers' URLs may lead to."
    )


class AnalyticsSettings(BaseModel):
    """How outcomes are counted for analysts."""

    model_config = ConfigDict(extra="forbid")

    zone: str = Field(
        default="UTC",
        description="Days are counted in this time zone; others may be asked for, and take longer.",
    )
    reasons: dict[CallResult, tuple[str, ...]] = Field(
        default={},
        description="Result: regular expressions that name it in the vendor's words, tried before our own.",
    )

    @field_validator("zone")
    @classmethod
    def _zone_is_known(cls, zone: str) -> str:
        try:
            return Calendar(zone).name
        except InputError as error:
            raise ValueError(str(error)) from None

    @field_validator("reasons")
    @classmethod
    def _reasons_are_patterns(
        cls, reasons: dict[CallResult, tuple[str, ...]]
    ) -> dict[CallResult, tuple[str, ...]]:
        for pattern in (pattern for patterns in reasons.values() for pattern in patterns):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return reasons


class TracesSettings(BaseModel):
    """Where spans go."""

    model_config = ConfigDict(extra="forbid")
    endpoint: HttpUrl | None = Field(
        default=None,
        description="Where a collector takes spans by OTLP over HTTP, such as http://HOST:4318/v1/traces. "
        "Default: none are made.",
    )
    share: float = Field(
        default=1.0, gt=0, le=1, description="Part of the tasks that are traced, each whole."
    )


class RetentionSettings(BaseModel):
    """How long what is kept. Without a number, for ever."""

    model_config = ConfigDict(extra="forbid")
    deliveries_days: Days | None = Field(
        default=None, description="Keep raw deliveries so long; their facts stay. Default: for ever."
    )
    set_aside_days: Days | None = Field(
        default=None, description="Keep deliveries that name no task so long. Default: for ever."
    )
    tasks_days: Days | None = Field(
        default=None,
        description="Keep settled tasks, with all they have, so long after they were last heard of. "
        "Default: for ever.",
    )

    @model_validator(mode="after")
    def _deliveries_go_with_their_tasks(self) -> "RetentionSettings":
        deliveries, tasks = self.deliveries_days, self.tasks_days
        if deliveries is not None and tasks is not None and deliveries > tasks:
            raise ValueError(
                f"deliveries_days {deliveries:g} cannot be kept, since deliveries go with their tasks after "
                f"tasks_days {tasks:g}: lower deliveries_days or raise tasks_days"
            )
        return self
