"""What the environment says, read once at the edge."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal, TypeVar, get_args

Durability = Literal["process", "strict"]
SpoolFull = Literal["refuse", "serve"]
Keep = Literal["full", "text", "masked", "none"]
Auth = Literal["passthrough", "keys", "off"]
RedisDown = Literal["refuse", "local"]
Choice = TypeVar("Choice", bound=str)
DEFAULT_START = date(2023, 1, 1)
DEFAULT_KEEP_HOURS = 24.0
DEFAULT_ACCESS_HOURS = 12.0
_HOURS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*h?", re.ASCII)
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([kmgt]i?b)", re.ASCII | re.IGNORECASE)


class SettingsError(ValueError):
    """An environment variable holds something we cannot use; the message is one line."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where state lives and which server holds the warehouse.

    `home` is `LQO_HOME` (default `.lqo` in the working directory), absolute. `database_url` is
    `DATABASE_URL`, or None for the embedded server. `start` is the first UTC day that may land.
    Loaded segments of the spool stay for `spool_keep_hours`, but not past `spool_keep_bytes` (None: no cap).
    `durability` says what a call survives once it is in the spool: kill -9 (process) or also a power cut
    (strict); `spool_full` whether calls that cannot be logged are refused, or served and counted.
    `auth` says which keys open the proxy: the provider's (passthrough), ours (keys), none (off). Our keys
    open it until the database was away for `access_max_age_hours`. `redis_url` is where proxies share limits
    and budgets (None: each has its own), `redis_down` what happens to limited callers while it is away.
    `keep` is what may be kept of calls whose project `access.projects` does not speak for.
    """

    home: Path
    database_url: str | None = None
    start: date = DEFAULT_START
    spool_keep_hours: float = DEFAULT_KEEP_HOURS
    spool_keep_bytes: int | None = None
    durability: Durability = "process"
    spool_full: SpoolFull = "refuse"
    auth: Auth = "passthrough"
    access_max_age_hours: float = DEFAULT_ACCESS_HOURS
    redis_url: str | None = field(default=None, repr=False)
    redis_down: RedisDown = "refuse"
    keep: Keep = "full"

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
    """Read `LQO_HOME`, `DATABASE_URL`, `LQO_START`, `LQO_SPOOL_KEEP` (`24h`, `10GB` or `24h,10GB`),
    `LQO_DURABILITY` (process, strict), `LQO_SPOOL_FULL` (refuse, serve), `LQO_AUTH` (passthrough, keys, off),
    `LQO_ACCESS_MAX_AGE` (`12h`), `REDIS_URL`, `LQO_REDIS_DOWN` (refuse, local) and `LQO_KEEP`
    (full, text, masked, none).

    Raises SettingsError with a one-line message for a value that does not parse.
    """
    env = os.environ if environ is None else environ
    keep_hours, keep_bytes = _keep(env.get("LQO_SPOOL_KEEP"))
    return Settings(
        home=Path(env.get("LQO_HOME") or ".lqo").expanduser().absolute(),
        database_url=env.get("DATABASE_URL") or None,
        start=_day(env.get("LQO_START"), default=DEFAULT_START),
        spool_keep_hours=keep_hours,
        spool_keep_bytes=keep_bytes,
        durability=_choice(env, "LQO_DURABILITY", get_args(Durability)),
        spool_full=_choice(env, "LQO_SPOOL_FULL", get_args(SpoolFull)),
        auth=_choice(env, "LQO_AUTH", get_args(Auth)),
        access_max_age_hours=_hours(env.get("LQO_ACCESS_MAX_AGE"), default=DEFAULT_ACCESS_HOURS),
        redis_url=env.get("REDIS_URL") or None,
        redis_down=_choice(env, "LQO_REDIS_DOWN", get_args(RedisDown)),
        keep=_choice(env, "LQO_KEEP", get_args(Keep)),
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


def _choice(env: Mapping[str, str], name: str, choices: tuple[Choice, ...]) -> Choice:
    """One of `choices`; the first where nothing is given."""
    given = env.get(name) or choices[0]
    for choice in choices:
        if given == choice:
            return choice
    raise SettingsError(f"{name} must be {' or '.join(choices)}, not {given!r}")


def _hours(text: str | None, *, default: float) -> float:
    """`12h`, or a bare number of hours."""
    if not text:
        return default
    if not (given := _HOURS.fullmatch(text.strip())):
        raise SettingsError(f"LQO_ACCESS_MAX_AGE must be such as 12h or 0.5h, not {text!r}")
    return float(given[1])


def _keep(text: str | None) -> tuple[float, int | None]:
    """Hours and bytes out of a time, a size or both; a bare number is hours."""
    hours: float | None = None
    size: int | None = None
    for part in text.split(",") if text else ():
        if hours is None and (given := _HOURS.fullmatch(part.strip())):
            hours = float(given[1])
        elif size is None and (given := _SIZE.fullmatch(part.strip())):
            size = _bytes(given[1], unit=given[2].lower())
        else:
            raise SettingsError(f"LQO_SPOOL_KEEP must be such as 24h, 10GB or 24h,10GB, not {text!r}")
    return DEFAULT_KEEP_HOURS if hours is None else hours, size


def _bytes(number: str, *, unit: str) -> int:
    """`10`, `gb` is 10·10⁹ bytes; `10`, `gib` is 10·2³⁰."""
    base = 1024 if "i" in unit else 1000
    return int(Decimal(number) * base ** ("kmgt".index(unit[0]) + 1))
