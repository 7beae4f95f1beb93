"""The endpoint of the settings with which the receiver runs. Secrets are masked."""

import asyncio
from dataclasses import asdict, dataclass
from typing import Any, get_args

from pydantic import BaseModel, Field

from receiver.http.endpoint import Call, Endpoint, Params
from receiver.http.schemas import Flag
from receiver.settings.effective import Source, settings_in_effect
from receiver.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class RunningSettings:
    """A service: the settings with which this receiver runs."""

    settings: Settings


class SettingsQuery(Params):
    """Which settings are listed."""

    changed: Flag | None = Field(None, description="true: only settings that are not defaults.")


class SettingView(BaseModel):
    """A setting in effect."""

    name: str = Field(description="Its parts, joined by dots.", examples=["api.port"])
    value: Any = Field(description="Secrets are masked.", examples=[8081])
    source: Source = Field(description=f"One of {', '.join(get_args(Source))}.", examples=["default"])
    place: str | None = Field(
        description="The variable or the file that it comes from; null for a default.", examples=[None]
    )


class SettingList(BaseModel):
    """The settings in effect."""

    settings: list[SettingView]


async def list_settings(call: Call[SettingsQuery, None]) -> SettingList:
    """Return the settings of the running receiver. Raises ConflictError without one."""
    running = call.context.service(RunningSettings).settings
    found = await asyncio.to_thread(settings_in_effect, running)
    shown = [one for one in found if one.source != "default" or not call.query.changed]
    return SettingList(settings=[SettingView(**asdict(one)) for one in shown])


SETTINGS_ENDPOINT = Endpoint(
    "GET",
    "/v1/settings",
    "List the settings in effect",
    "The settings with which the receiver that answers runs, and where each comes from. Secrets and "
    "passwords are masked.",
    "audit",
    SettingList,
    list_settings,
    SettingsQuery,
    problems=("409",),
)
