"""All settings, from a TOML file and `RECEIVER_*` variables, which take precedence.

A variable of a nested setting joins the names with two underscores: `RECEIVER_ACCOUNTS__MAIN__BASE_URL`. A
variable that ends in `_FILE` names a file with the value; `RECEIVER_SECRETS` names a folder of such files.
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import pydantic_settings
from pydantic import Field, HttpUrl, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from receiver.domain.fields import DEFAULT_ALIASES
from receiver.domain.hooks import ACCOUNT, HookKey
from receiver.domain.numbers import REGION
from receiver.errors import SettingsError
from receiver.settings.console import ConsoleSettings
from receiver.settings.explaining import explain
from receiver.settings.models import (
    AccountSettings,
    AnalyticsSettings,
    ApiSettings,
    DeliverySettings,
    HookKeySettings,
    InboxSettings,
    ListenerSettings,
    Network,
    ReconcileSettings,
    RetentionSettings,
    TracesSettings,
)
from receiver.settings.roles import ROLE_HELP, ServiceRole
from receiver.settings.secret_files import (
    FOLDER,
    PREFIX,
    SUFFIX,
    Variables,
    find_variables,
    read_values,
    setting_of,
)
from receiver.storage.postgres import is_url

if TYPE_CHECKING:
    from receiver.domain.fold import Fold
    from receiver.http.endpoint import WorkRules

_CONFIG = PREFIX + "CONFIG"


class Settings(BaseSettings):
    """The settings of `receiver serve`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid")
    role: ServiceRole = Field(default=ServiceRole.ALL, description=ROLE_HELP)
    host: str = Field(default="127.0.0.1", description="Address of the hook listener.")
    port: int = Field(
        default=8080, ge=0, le=65535, description="Port of the hook listener; 0 for a free port."
    )
    public_url: HttpUrl | None = Field(
        default=None, description="Root of hook URLs, as the scheduler reaches it. Default: http://HOST:PORT."
    )
    store: str = Field(
        default="receiver.db",
        min_length=1,
        description="Path of the SQLite file, or postgresql://USER:PASSWORD@HOST/DATABASE.",
    )
    hook_keys: tuple[HookKeySettings, ...] = Field(
        min_length=1, description="Keys that sign hook URLs, newest first."
    )
    accounts: dict[str, AccountSettings] = Field(min_length=1, description="Accounts at schedulers, by name.")
    max_body_bytes: int = Field(
        default=262_144, ge=1024, description="Maximum bytes of a hook's body; the rest is cut off."
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=(),
        description="Proxies whose X-Forwarded-For header is trusted, and for the console X-Forwarded-Proto "
        "and X-Forwarded-Host.",
    )
    aliases: dict[str, tuple[str, ...]] = Field(
        default=DEFAULT_ALIASES, description="Field → names that hooks use for it."
    )
    api: ApiSettings = Field(
        default=ApiSettings(), description="Listener of the API, the documentation and the metrics."
    )
    console: ConsoleSettings = Field(default=ConsoleSettings(), description="The console.")
    listener: ListenerSettings = Field(
        default=ListenerSettings(), description="Limits and timeouts of the hook listener."
    )
    inbox: InboxSettings = Field(default=InboxSettings(), description="Limits of unread hooks.")
    reconcile: ReconcileSettings = Field(
        default=ReconcileSettings(), description="When reconciliation asks the API."
    )
    delivery: DeliverySettings = Field(default=DeliverySettings(), description="Delivery of outcomes.")
    analytics: AnalyticsSettings = Field(default=AnalyticsSettings(), description="Analytics.")
    retention: RetentionSettings = Field(default=RetentionSettings(), description="Retention.")
    traces: TracesSettings = Field(default=TracesSettings(), description="Traces.")
    log_format: Literal["console", "json"] = Field(
        default="console", description="Format of logs: for people or for machines."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Minimum level of logs."
    )
    lease_s: float = Field(
        default=15.0,
        ge=1,
        description="Seconds without renewal after which another receiver takes over a lease.",
    )
    stop_deadline_s: float = Field(
        default=15.0, gt=0, description="Maximum seconds for finishing work at shutdown."
    )
    clock_speed: float = Field(
        default=1.0,
        gt=0,
        description="Speed of the clock; other than 1 only with an emulator of the same speed.",
    )
    clock_origin: float = Field(
        default=0.0, ge=0, description="Epoch second at which the clocks of receiver and emulator agree."
    )

    @field_validator("accounts")
    @classmethod
    def _accounts_can_stand_in_a_path(
        cls, accounts: dict[str, AccountSettings]
    ) -> dict[str, AccountSettings]:
        for name in accounts:
            if not ACCOUNT.fullmatch(name):
                raise ValueError(
                    f"'{name}' is not a name of an account: use lower-case letters, digits, '_' and '-'"
                )
        return accounts

    @field_validator("store", mode="before")
    @classmethod
    def _store_is_a_file_or_postgresql(cls, store: object) -> str:
        name = str(store)
        scheme, is_address, _ = name.partition("://")
        if is_address and not is_url(name):
            raise ValueError(f"'{scheme}' is not a store: use the path of a file or a postgresql:// URL")
        return name

    @model_validator(mode="after")
    def _role_has_others_beside_it(self) -> Self:
        self.role.check_store(self.store)
        return self

    @field_validator("aliases")
    @classmethod
    def _aliases_are_of_known_fields(cls, aliases: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        unknown = sorted(set(aliases) - set(DEFAULT_ALIASES))
        if unknown:
            raise ValueError(f"no such field: {', '.join(unknown)}; known are {', '.join(DEFAULT_ALIASES)}")
        return DEFAULT_ALIASES | aliases

    @property
    def fold(self) -> "Fold":
        """The fold of one task, with its account's reasons and region; imported when needed."""
        from receiver.domain.fold import fold  # noqa: PLC0415
        from receiver.domain.reasons import Reasons  # noqa: PLC0415

        by_region = {
            account.region: Reasons(self.analytics.reasons, account.region)
            for account in self.accounts.values()
        }
        of_accounts = {
            name: by_region[account.region]
            for name, account in self.accounts.items()
            if account.region != REGION
        }
        failing_early = frozenset(
            name for name, account in self.accounts.items() if not account.failed_uses_all_attempts
        )
        usual = by_region.get(REGION) or Reasons(self.analytics.reasons)
        return partial(fold, reasons=usual, of_accounts=of_accounts, failing_early=failing_early)

    @property
    def work_rules(self) -> "WorkRules":
        """What the API says about work that is to come; imported when needed."""
        from receiver.http.endpoint import WorkRules  # noqa: PLC0415

        urls = {name: account.recording_url for name, account in self.accounts.items()}
        return WorkRules(
            self.reconcile.margins,
            self.reconcile.enabled,
            self.delivery.enabled,
            self.analytics.zone,
            {name: url for name, url in urls.items() if url is not None},
        )

    @property
    def signing_keys(self) -> tuple[HookKey, ...]:
        return tuple(HookKey(key.name, key.secret.get_secret_value()) for key in self.hook_keys)

    @property
    def regions(self) -> tuple[str, ...]:
        """The countries of phone numbers without a country code, of all accounts."""
        return tuple(dict.fromkeys(account.region for account in self.accounts.values()))

    @property
    def hook_root(self) -> str:
        """The root of hook URLs, without a trailing slash."""
        return str(self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def console_url(self) -> str:
        """The root of the console's address, without a trailing slash."""
        host = f"[{self.api.host}]" if ":" in self.api.host else self.api.host
        return str(self.console.public_url or f"http://{host}:{self.api.port}").rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_others: PydanticBaseSettingsSource,
        **_more: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        found = _variables()
        variables = _source(settings_cls, {**found.plain, **read_values(found.named, SUFFIX)})
        folder = _source(settings_cls, read_values(found.folder))
        return init_settings, variables, folder, TomlConfigSettingsSource(settings_cls)


def settings_file(path: Path | None = None) -> Path:
    """Return `path`, else $RECEIVER_CONFIG, else ./receiver.toml, which may not exist.

    Raises SettingsError if another one does not exist.
    """
    named = path or (Path(os.environ[_CONFIG]) if os.environ.get(_CONFIG) else None)
    if named is not None and not named.is_file():
        raise SettingsError(f"{named}: no such file; `receiver config example` prints one to start with")
    return named or Path("receiver.toml")


def load_settings(path: Path | None = None, **given: Any) -> Settings:
    """Load settings from `path`, else from $RECEIVER_CONFIG, else from ./receiver.toml if it exists.

    Raises SettingsError, which names each invalid setting and its problem.
    """
    chosen = settings_file(path)

    class _FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=chosen)

    try:
        settings = _FromFile(**given)
    except ValidationError as error:
        raise SettingsError(explain(error, chosen, _variables(), Settings)) from None
    except pydantic_settings.SettingsError as error:
        field = re.search(r'field "(\w+)"', str(error))
        files = "".join(f", {path}" for path in _variables().files_of(field[1])) if field else ""
        raise SettingsError(
            f"{PREFIX}* variables{files}: {error}; lists and tables are written as JSON"
        ) from None
    except (ValueError, OSError) as error:
        raise SettingsError(f"{chosen}: {error}") from None
    _refuse_misspelt_variables()
    return settings


def _variables() -> Variables:
    return find_variables(os.environ, Settings.model_fields)


def _source(settings_cls: type[BaseSettings], values: Mapping[str, str]) -> PydanticBaseSettingsSource:
    """Return a source that reads the values as pydantic-settings reads variables."""
    source = EnvSettingsSource(settings_cls)
    source.env_vars = {name.lower(): value for name, value in values.items()}
    return source


def _refuse_misspelt_variables() -> None:
    """Refuse variables with a name close to that of a setting: a misspelling would be ignored silently."""
    known = [
        *(name.removeprefix(PREFIX) for name in (_CONFIG, FOLDER)),
        *map(str.upper, Settings.model_fields),
    ]
    found = _variables()
    for variable in sorted({*found.plain, *found.folder}):
        name, names_file = setting_of(variable), variable.endswith(SUFFIX)
        near = get_close_matches(name, known, 1, cutoff=0.75)
        if near and (names_file or name not in known):
            is_for_files = names_file and variable in found.plain and near[0].lower() in Settings.model_fields
            meant = f"{PREFIX}{near[0]}{SUFFIX if is_for_files else ''}"
            raise SettingsError(
                f"{found.folder.get(variable, variable)}: no such setting; did you mean {meant}?"
            )
