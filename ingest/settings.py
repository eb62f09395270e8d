"""What the environment says, read once at the edge."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

DEFAULT_START = date(2023, 1, 1)


class SettingsError(ValueError):
    """An environment variable holds something we cannot use; the message is one line."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where state lives and which server holds the warehouse.

    `home` is `LQO_HOME` (default `.lqo` in the working directory), absolute. `database_url` is
    `DATABASE_URL`, or None for the embedded server. `start` is the first UTC day that may land.
    """

    home: Path
    database_url: str | None = None
    start: date = DEFAULT_START
    spool_keep_hours: float = 24.0

    @property
    def spool(self) -> Path:
        return self.home / "spool"

    @property
    def postgres(self) -> Path:
        return self.home / "postgres"

    @property
    def dagster(self) -> Path:
        return self.home / "dagster"

    @property
    def dbt_target(self) -> Path:
        return self.home / "dbt"

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    @property
    def rejects(self) -> Path:
        return self.home / "rejects"


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read `LQO_HOME`, `DATABASE_URL`, `LQO_START` and `LQO_SPOOL_KEEP` (hours, or `24h`).

    Raises SettingsError with a one-line message for a value that does not parse.
    """
    env = os.environ if environ is None else environ
    return Settings(
        home=Path(env.get("LQO_HOME") or ".lqo").expanduser().absolute(),
        database_url=env.get("DATABASE_URL") or None,
        start=_day(env.get("LQO_START"), default=DEFAULT_START),
        spool_keep_hours=_hours(env.get("LQO_SPOOL_KEEP"), default=24.0),
    )


def landing_range(start: date, *, now: datetime) -> tuple[datetime, datetime]:
    """The half-open range of `started_at` that may land: from `start` to the end of tomorrow (UTC)."""
    tomorrow_end = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=2)
    return datetime(start.year, start.month, start.day, tzinfo=UTC), tomorrow_end


def _day(text: str | None, *, default: date) -> date:
    if not text:
        return default
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"LQO_START must be a day such as 2023-01-01, not {text!r}") from None


def _hours(text: str | None, *, default: float) -> float:
    if not text:
        return default
    try:
        hours = float(text.removesuffix("h"))
    except ValueError:
        raise SettingsError(f"LQO_SPOOL_KEEP must be hours such as 24h, not {text!r}") from None
    if hours < 0:
        raise SettingsError(f"LQO_SPOOL_KEEP must not be negative, got {text!r}")
    return hours
