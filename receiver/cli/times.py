"""The zone and the moments of a command: `--zone`, `TZ`, and the options of a period."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from receiver.domain.calendar import DAY_S, HOUR_S, Calendar
from receiver.domain.moments import iso, read_time
from receiver.domain.periods import Period, PeriodReader, age_text, read_age
from receiver.errors import InputError

if TYPE_CHECKING:
    from receiver.settings.settings import Settings


@dataclass(slots=True)
class Display:
    """How the running command prints. `csv`: None if the command cannot print CSV; `zone`: of `--zone`;
    `config`: of `--config`; `times` and `settings`: from when they are first needed.
    """

    csv: bool | None = None
    zone: str | None = None
    config: Path | None = None
    times: PeriodReader | None = None
    settings: "Settings | None" = None


_DISPLAY: ContextVar[Display | None] = ContextVar("display", default=None)


@contextmanager
def displaying(display: Display) -> Iterator[Display]:
    """Let the command within print so."""
    token = _DISPLAY.set(display)
    try:
        yield display
    finally:
        _DISPLAY.reset(token)


def display() -> Display:
    """Return how the running command prints."""
    shown = _DISPLAY.get()
    if shown is None:
        _DISPLAY.set(shown := Display())
    return shown


def times() -> PeriodReader:
    """Return the zone and the present of the running command.

    The zone is that of `--zone`, else of the variable `TZ`, else of the setting `analytics.zone`.
    """
    shown = display()
    if shown.times is None:
        shown.times = _times_of(shown, settings_of_command())
    return shown.times


def counting_times(zone: str | None) -> PeriodReader:
    """Return the reader of periods of figures: in this zone, else in that of the setting `analytics.zone`.

    `TZ` does not count, so that figures do not depend on who asks.
    """
    settings = settings_of_command()
    return PeriodReader(_calendar(zone or settings.analytics.zone, ""), times().now)


def settings_of_command() -> "Settings":
    """Return the settings of the running command, loaded once."""
    shown = display()
    if shown.settings is None:
        from receiver.settings.settings import load_settings  # noqa: PLC0415 -- slow to import

        shown.settings = load_settings(shown.config)
    return shown.settings


def use_settings(settings: "Settings") -> None:
    """Take zone, clock and accounts from these settings, so that they are not loaded again."""
    display().settings = settings


def _times_of(shown: Display, settings: "Settings") -> PeriodReader:
    from receiver.runtime.clock import WallClock  # noqa: PLC0415 -- not all commands have a clock

    now = WallClock(settings.clock_speed, settings.clock_origin).now()
    return PeriodReader(_calendar(shown.zone, settings.analytics.zone), now)


def _calendar(option: str | None, setting: str) -> Calendar:
    if option is not None:
        return calendar_of(option)
    variable = os.environ.get("TZ", "").removeprefix(":")
    try:
        return Calendar(variable or setting)
    except InputError:  # a rule such as MSK-3, which has no name
        return Calendar(setting)


_CLEAR_YEAR_S = 180 * DAY_S
"""Distance in seconds within which a date is clear without its year."""


def calendar_of(zone: str) -> Calendar:
    """Return the zone of the option `--zone`. Raises InputError if there is none of this name."""
    try:
        return Calendar(zone)
    except InputError as error:
        raise InputError("--zone", error.problem) from None


class Moment(NamedTuple):
    """A cell with a moment: tables, CSV and lines of text write it in the zone of the command."""

    at: float

    def __str__(self) -> str:
        return f"{self.dated} {times().calendar.name} ({self.age})"

    @property
    def dated(self) -> str:
        """The form of tables: 2026-03-01 14:02:10."""
        return times().calendar.local(self.at).strftime("%Y-%m-%d %H:%M:%S")

    @property
    def short(self) -> str:
        """The form of narrow tables: without the year, if it is clear."""
        return self.dated if abs(times().now - self.at) > _CLEAR_YEAR_S else self.dated[5:]

    @property
    def age(self) -> str:
        """The age: 3 min ago."""
        return age_text(times().now - self.at)

    @property
    def iso(self) -> str:
        """The form of CSV: ISO 8601 with the offset of the zone."""
        text = times().calendar.local(self.at).isoformat(timespec="milliseconds")
        return text.replace("+00:00", "Z")


def moment_of(at: float | str | None) -> Moment | None:
    """Return a moment of the API or in epoch seconds as a cell."""
    epoch = read_time(at) if isinstance(at, str) else at
    return None if epoch is None else Moment(epoch)


@dataclass(frozen=True, slots=True)
class PeriodOptions:
    """The options of a period, as typed."""

    since: str | None = None
    until: str | None = None
    last: str | None = None
    period: str | None = None

    def read(self, reader: PeriodReader | None = None) -> Period:
        """Return the period in epoch seconds. Raises InputError, which names the option."""
        reader = reader or times()
        self.check()
        if self.period is not None:
            return reader.named("--period", self.period)
        if self.last is not None:
            return reader.last("--last", self.last)
        since = None if self.since is None else reader.moment("--since", self.since)
        until = None if self.until is None else reader.moment("--until", self.until, is_end=True)
        if since is not None and until is not None and until <= since:
            raise InputError("--until", "the period ends before it begins: use an end later than --since")
        return Period(since, until)

    def check(self) -> None:
        """Raise InputError if options exclude each other."""
        given = [f"--{name}" for name in ("period", "last", "since", "until") if getattr(self, name)]
        if len(given) > 1 and given[0] in ("--period", "--last"):
            raise InputError(given[1], f"cannot be used with {given[0]}, which is a whole period")

    def hours(self, reader: PeriodReader) -> dict[str, str]:
        """Return the bounds as parameters of figures, which are counted by hours: ages begin with an hour."""
        found = self.read(reader)
        is_age = {"since": read_age(self.last or self.since or ""), "until": read_age(self.until or "")}
        texts = {}
        for name, at in found._asdict().items():
            if at is not None:
                late = (at + reader.calendar.offset(at)) % HOUR_S if is_age[name] is not None else 0
                texts[name] = iso(at - late)
        return texts

    def parameters(self) -> dict[str, float]:
        """Return the bounds as parameters of a query, without open ones. Raises InputError."""
        return {name: at for name, at in self.read()._asdict().items() if at is not None}
