"""All settings, from a TOML file and `RECEIVER_*` variables (which win). Read by cli, demo, server and app.

A nested setting's variable joins the names with two underscores: `RECEIVER_ACCOUNTS__MAIN__BASE_URL`. With
`_FILE` behind its name a variable names the file that its value is in; `RECEIVER_SECRETS` names a folder.
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pydantic_settings
from pydantic import Field, HttpUrl, ValidationError, field_validator
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

_CONFIG = PREFIX + "CONFIG"


class Settings(BaseSettings):
    """Everything `receiver serve` can be told."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid")
    host: str = Field(default="127.0.0.1", description="Address on which hooks are taken in.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port for hooks; 0 takes a free one.")
    public_url: HttpUrl | None = Field(
        default=None,
        description="Root of the hook URLs as the scheduler reaches it; default: http://HOST:PORT.",
    )
    store: str = Field(
        default="receiver.db",
        min_length=1,
        description="The SQLite file, or postgresql://USER:PASSWORD@HOST/DATABASE.",
    )
    hook_keys: tuple[HookKeySettings, ...] = Field(
        min_length=1, description="Keys that sign hook URLs, newest first."
    )
    accounts: dict[str, AccountSettings] = Field(
        min_length=1, description="The accounts that are served, by name."
    )
    max_body_bytes: int = Field(
        default=262_144, ge=1024, description="More than this of a hook's body is cut off."
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=(), description="Proxies whose X-Forwarded-For is believed, for address lists."
    )
    aliases: dict[str, tuple[str, ...]] = Field(
        default=DEFAULT_ALIASES, description="Names under which hooks may send each field."
    )
    api: ApiSettings = Field(
        default=ApiSettings(), description="Where the API, the documentation and the metrics are served."
    )
    listener: ListenerSettings = Field(
        default=ListenerSettings(), description="Limits and deadlines of connections that bring hooks."
    )
    inbox: InboxSettings = Field(default=InboxSettings(), description="How many unread hooks are kept.")
    reconcile: ReconcileSettings = Field(default=ReconcileSettings(), description="When the API is asked.")
    delivery: DeliverySettings = Field(default=DeliverySettings(), description="How outcomes are delivered.")
    analytics: AnalyticsSettings = Field(default=AnalyticsSettings(), description="How outcomes are counted.")
    retention: RetentionSettings = Field(default=RetentionSettings(), description="How long what is kept.")
    traces: TracesSettings = Field(default=TracesSettings(), description="Where spans go.")
    log_format: Literal["console", "json"] = Field(
        default="console", description="Logs for people or machines."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level logged."
    )
    lease_s: float = Field(
        default=15.0,
        ge=1,
        description="So long after a receiver died another one takes over its work.",
    )
    stop_deadline_s: float = Field(default=15.0, gt=0, description="Time to drain when stopping.")
    clock_speed: float = Field(
        default=1.0, gt=0, description="Time runs so fast; only with an emulator that does."
    )
    clock_origin: float = Field(default=0.0, ge=0, description="Epoch second at which both clocks agree.")

    @field_validator("accounts")
    @classmethod
    def _accounts_can_stand_in_a_path(
        cls, accounts: dict[str, AccountSettings]
    ) -> dict[str, AccountSettings]:
        for name in accounts:
            if not ACCOUNT.fullmatch(name):
                raise ValueError(
                    f"'{name}' cannot name an account: lower-case letters, digits, '_' and '-' only"
                )
        return accounts

    @field_validator("store", mode="before")
    @classmethod
    def _store_is_a_file_or_postgresql(cls, store: object) -> str:
        name = str(store)
        scheme, is_address, _ = name.partition("://")
        if is_address and not is_url(name):
            raise ValueError(f"'{scheme}' is no store: give a file's path or a postgresql:// URL")
        return name

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
        from receiver.domain.results import Reasons  # noqa: PLC0415

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
    def signing_keys(self) -> tuple[HookKey, ...]:
        return tuple(HookKey(key.name, key.secret.get_secret_value()) for key in self.hook_keys)

    @property
    def hook_root(self) -> str:
        """The root of hook URLs, without a slash at its end."""
        return str(self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

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


def load_settings(path: Path | None = None, **given: Any) -> Settings:
    """Settings from `path`, else from $RECEIVER_CONFIG, else from ./receiver.toml where there is one.

    Raises SettingsError, which names each bad setting and what is wrong with it.
    """
    named = path or (Path(os.environ[_CONFIG]) if os.environ.get(_CONFIG) else None)
    if named is not None and not named.is_file():
        raise SettingsError(f"{named}: no such file; `receiver config example` prints one to begin with")
    chosen = named or Path("receiver.toml")

    class _FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=chosen)

    try:
        settings = _FromFile(**given)
    except ValidationError as error:
        raise SettingsError(_explain(error, chosen)) from None
    except pydantic_settings.SettingsError as error:
        field = re.search(r'field "(\w+)"', str(error))
        files = "".join(f", {path}" for path in _variables().about(field[1])) if field else ""
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
    """These values, read as pydantic-settings reads variables."""
    source = EnvSettingsSource(settings_cls)
    source.env_vars = {name.lower(): value for name, value in values.items()}
    return source


def _refuse_misspelt_variables() -> None:
    """A misspelt variable would change nothing, silently. What is like no setting may be somebody else's."""
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
                f"{found.folder.get(variable, variable)}: no such setting; {meant} is meant, perhaps"
            )


def _explain(error: ValidationError, path: Path) -> str:
    lines = [f"settings ({path if path.is_file() else 'no file'}, {PREFIX}* variables) cannot be used:"]
    found = _variables()
    for problem in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in problem["loc"])
        variable = _variable(problem["loc"])
        file = found.file_of(variable.partition(" ")[0])
        fix = f"it was read from {file}" if file else f"set it in the file, or {variable}"
        lines.append(f"  {name}: {problem['msg']} ({fix})")
    lines.append("`receiver config example` prints a file with every setting explained.")
    return "\n".join(lines)


def _variable(place: tuple[int | str, ...]) -> str:
    """The variable that sets what stands at this place; a list is one variable, as JSON."""
    names = [str(part).upper() for part in takewhile(lambda part: isinstance(part, str), place)]
    return PREFIX + "__".join(names) + (" as JSON" if len(names) < len(place) else "")
