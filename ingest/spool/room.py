"""How much room the spool's disk has left, and how long it lasts."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

_SHED_SHARE = 0.05
_SHED_MOST = 1 << 30
_MEMORY_SECONDS = 300.0
"""The recent rate forgets with this time constant: a burst of a minute must not read as a full disk soon."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Free bytes below which bodies are shed, and below which calls are not logged at all."""

    shed: int
    refuse: int


def default_levels(directory: Path, *, refuse: int) -> Levels:
    """Shed below 5 % of the disk, but at most 1 GB and at least twice the level of refusal."""
    total = _usage(directory)[0]
    return Levels(shed=max(2 * refuse, min(_SHED_MOST, int(total * _SHED_SHARE))), refuse=refuse)


class Room:
    """The disk's free bytes, looked at every second and counted down by what is written in between."""

    def __init__(self, directory: Path, *, levels: Levels) -> None:
        self.levels = levels
        self.free_bytes = 0
        self._directory = directory
        self._written = 0
        self._bytes_a_second: float | None = None
        self._looked_at = time.monotonic()
        self.look()

    def wrote(self, size: int) -> None:
        self._written += size
        self.free_bytes -= size

    def look(self) -> None:
        """Ask the disk, and take what was written since the last look into the rate."""
        now = time.monotonic()
        if (seconds := now - self._looked_at) >= 0.5:
            rate = self._written / seconds
            share = min(seconds / _MEMORY_SECONDS, 1.0)
            known = self._bytes_a_second
            self._bytes_a_second = rate if known is None else known + share * (rate - known)
            self._looked_at, self._written = now, 0
        self.free_bytes = _usage(self._directory)[1]

    @property
    def is_full(self) -> bool:
        return self.free_bytes < self.levels.refuse

    @property
    def is_shedding(self) -> bool:
        return self.free_bytes < self.levels.shed

    @property
    def hours_left(self) -> float | None:
        """Hours until calls are refused at the rate of the last minutes; None while nothing is written."""
        if not self._bytes_a_second:
            return None
        return max(0, self.free_bytes - self.levels.refuse) / self._bytes_a_second / 3600


def _usage(directory: Path) -> tuple[int, int]:
    """Total and free bytes; a disk that does not answer has none."""
    try:
        usage = shutil.disk_usage(directory)
    except OSError:
        return 0, 0
    return usage.total, usage.free
