"""Sections of the settings; each is a table of the file."""

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated

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

from receiver.domain.calendar import Calendar
from receiver.domain.numbers import REGION, is_region
from receiver.domain.proxy_url import ENVIRONMENT, read_proxy
from receiver.domain.reasons import CallResult
from receiver.domain.recordings import check_recording_url
from receiver.errors import InputError

if TYPE_CHECKING:
    from receiver.domain.timeline import Purpose


def _network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"{text!r} is no address or network: use a form such as 10.0.0.0/8") from None


Network = Annotated[str, AfterValidator(_network)]
"""An address or a CIDR block."""


class HookKeySettings(BaseModel):
    """A key that signs hook URLs. The first key signs; all keys verify."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(
        pattern=r"^[A-Za-z0-9_-]{1,16}$",
        description="Name of the key, contained in each URL: letters, digits, '_', '-'.",
    )
    secret: SecretStr = Field(min_length=32, description="The secret key, at least 32 characters.")


class AccountSettings(BaseModel):
    """One client id at one scheduler."""

    model_config = ConfigDict(extra="forbid")
    base_url: HttpUrl = Field(description="Root URL of the scheduler's API, such as https://HOST/api/ver1.0.")
    client_id: str = Field(default="@me", description="Number of the account in API paths; not the OAuth id.")
    oauth_client_id: str = Field(description="Id of the application at the OAuth endpoint.")
    oauth_client_secret: SecretStr = Field(description="Secret of the application at the OAuth endpoint.")
    token_url: HttpUrl | None = Field(
        default=None, description="URL of the OAuth endpoint. Default: /oauth/token on the host of base_url."
    )
    task_segment: str = Field(
        default="task", description="Path segment for reading, listing and deleting tasks."
    )
    create_segment: str = Field(default="tasks", description="Path segment for creating tasks.")
    per_page: int = Field(default=100, ge=1, le=1000, description="Number of tasks on a page of a list.")
    timeout_s: float = Field(default=20.0, gt=0, description="Timeout of an API request in seconds.")
    quota_share: float = Field(
        default=0.5, gt=0, le=1, description="Share of the hourly API quota that reconciliation may use."
    )
    region: str = Field(
        default=REGION, description="Country of phone numbers without a country code, such as DE."
    )
    quickest_call_s: float = Field(
        default=5.0,
        ge=0,
        description="Minimum seconds from the start of a task to its end. Lists may hide finished tasks: a "
        "task that is not listed is created again only if it cannot have finished yet.",
    )
    failed_uses_all_attempts: bool = Field(
        default=True,
        description="Whether a task fails only after all its attempts. After a change, run `receiver "
        "rebuild`.",
    )
    fixed_secret: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Secret of the fixed URLs /hooks/ACCOUNT/EVENT/SECRET, for tasks without minted URLs.",
    )
    fixed_addresses: tuple[Network, ...] = Field(
        default=(), description="Addresses that may use the fixed URLs /hooks/ACCOUNT/EVENT without a secret."
    )

    recording_url: Annotated[str, AfterValidator(check_recording_url)] | None = Field(
        default=None, description="URL of recordings in stories, such as https://pbx.example/{record}."
    )

    @field_validator("region")
    @classmethod
    def _region_is_a_country(cls, region: str) -> str:
        if not is_region(region):
            raise ValueError(f"'{region}' is not a country code: use two capital letters, such as DE")
        return region


class ApiSettings(BaseModel):
    """The listener for the API, the documentation and the metrics; hooks have another one."""

    model_config = ConfigDict(extra="forbid")
    host: str = Field(
        default="127.0.0.1", description="Address of the API. Do not expose it to the Internet."
    )
    port: int = Field(default=8081, ge=0, le=65535, description="Port of the API; 0 for a free port.")


class ListenerSettings(BaseModel):
    """Limits and timeouts of the hook listener."""

    model_config = ConfigDict(extra="forbid")
    max_connections: int = Field(
        default=10_000,
        ge=1,
        description="Maximum number of open connections. Beyond it, a connection without a hook for 0.1 s, "
        "or else the one that is idle for the longest time, is closed, and new connections wait until then. "
        "Lower if the process may open fewer files.",
    )
    max_head_bytes: int = Field(
        default=32_768, ge=1024, le=1_048_576, description="Maximum bytes of request line and headers."
    )
    head_s: float = Field(default=10.0, gt=0, description="Timeout for request line and headers in seconds.")
    body_s: float = Field(default=30.0, gt=0, description="Timeout for the body in seconds.")
    idle_s: float = Field(
        default=75.0,
        gt=0,
        description="Seconds after which an idle connection is closed; longer than the keep-alive of your "
        "proxy.",
    )


class InboxSettings(BaseModel):
    """Limits of unread hooks. Beyond either limit new hooks are answered with 503."""

    model_config = ConfigDict(extra="forbid")
    max_hooks: int = Field(default=2_000_000, ge=1, description="Maximum number of unread hooks.")
    max_bytes: int = Field(default=2_147_483_648, ge=1_048_576, description="Maximum bytes of unread hooks.")


class ReconcileSettings(BaseModel):
    """When reconciliation asks the scheduler's API. Seconds."""

    model_config = ConfigDict(extra="forbid")
    enabled: bool = Field(default=True, description="Whether `serve` runs reconciliation.")
    confirm_after_s: float = Field(
        default=2.0,
        ge=0,
        description="Seconds after an `after` hook until the API is asked to confirm the end.",
    )
    overdue_after_s: float = Field(
        default=120.0,
        ge=0,
        description="Seconds after which a task that should have progressed is asked about.",
    )
    late_hook_grace_s: float = Field(
        default=300.0,
        ge=0,
        description="Seconds after the end of a task after which missing hooks count as lost.",
    )
    ask_again_s: float = Field(
        default=60.0, gt=0, description="Seconds until the API is asked again; doubles each time."
    )
    sweep_every_s: float = Field(
        default=900.0, gt=0, description="Maximum seconds between two sweeps of a queue."
    )
    poll_s: float = Field(default=1.0, gt=0, description="Seconds between two looks for due tasks.")

    @property
    def margins(self) -> "dict[Purpose, float]":
        """Purpose → seconds after a task's `ask_at` at which the work is due."""
        return {
            "find": self.confirm_after_s,
            "progress": self.overdue_after_s,
            "confirm": self.confirm_after_s,
            "call": 0.0,
            "settle": self.late_hook_grace_s,
        }


Days = Annotated[float, Field(ge=1, le=36_500)]


class DeliverySettings(BaseModel):
    """Delivery of outcomes to subscribers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="Whether outcomes are delivered.")
    allowed_networks: tuple[Network, ...] = Field(
        default=(), description="Private networks that URLs of subscribers may use."
    )
    proxy: SecretStr | None = Field(
        default=None,
        description="Proxy of deliveries, such as http://USER:PASSWORD@HOST:3128; `environment` for that of "
        "the variable HTTPS_PROXY. Default: no proxy.",
    )
    no_proxy: tuple[str, ...] | None = Field(
        default=None,
        description="Hosts that deliveries reach without the proxy: names with their subdomains, addresses, "
        "networks. Default: those of the variable NO_PROXY.",
    )

    @field_validator("no_proxy", mode="before")
    @classmethod
    def _hosts_may_be_one_text(cls, hosts: object) -> object:
        """Read a text as the variable NO_PROXY is read."""
        return (hosts.split(",") if hosts else None) if isinstance(hosts, str) else hosts

    @field_validator("proxy")
    @classmethod
    def _proxy_can_be_read(cls, proxy: SecretStr | None) -> SecretStr | None:
        if proxy and proxy.get_secret_value() != ENVIRONMENT:
            read_proxy(proxy.get_secret_value())
        return proxy


class AnalyticsSettings(BaseModel):
    """Analytics."""

    model_config = ConfigDict(extra="forbid")

    zone: str = Field(
        default="UTC",
        description="Time zone in which days are counted. Queries may use other zones, but take longer.",
    )
    reasons: dict[CallResult, tuple[str, ...]] = Field(
        default={},
        description="Reason → regular expressions for the vendor's words; tried before the built-in ones.",
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
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        return reasons


class TracesSettings(BaseModel):
    """Traces."""

    model_config = ConfigDict(extra="forbid")
    endpoint: HttpUrl | None = Field(
        default=None,
        description="URL of a collector for OTLP over HTTP, such as http://HOST:4318/v1/traces. Default: no "
        "traces.",
    )
    share: float = Field(default=1.0, gt=0, le=1, description="Share of tasks that are traced.")


class RetentionSettings(BaseModel):
    """Retention in days. Without a number, rows are kept forever."""

    model_config = ConfigDict(extra="forbid")
    deliveries_days: Days | None = Field(
        default=None, description="Days to keep raw deliveries; their facts stay. Default: forever."
    )
    set_aside_days: Days | None = Field(
        default=None, description="Days to keep deliveries that name no task. Default: forever."
    )
    tasks_days: Days | None = Field(
        default=None,
        description="Days to keep settled tasks, with their facts and messages, after their last fact. "
        "Default: forever.",
    )
    audit_days: Days | None = Field(
        default=None, description="Days to keep records of who did what. Default: forever."
    )

    @model_validator(mode="after")
    def _deliveries_go_with_their_tasks(self) -> "RetentionSettings":
        deliveries, tasks = self.deliveries_days, self.tasks_days
        if deliveries is not None and tasks is not None and deliveries > tasks:
            raise ValueError(
                f"deliveries_days {deliveries:g} is more than tasks_days {tasks:g}, and deliveries are "
                "deleted with their tasks: lower deliveries_days or raise tasks_days"
            )
        return self
