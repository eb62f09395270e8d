"""The limits and budgets of one running proxy: what counts, what is kept on disk, and for how long."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from evaluators.pricing.book import PriceBook
from ingest.access.snapshot import Snapshot
from ingest.limits.admission import MeteredAdmission
from ingest.limits.journal import FILE, open_ledger, save
from ingest.limits.ledger import State
from ingest.limits.meter import LocalMeter
from ingest.limits.rules import Rules
from ingest.limits.shared import SharedMeter
from ingest.settings import Settings

logger = logging.getLogger(__name__)

_SAVE_SECONDS = 10.0
_KEPT = timedelta(days=2)


class LimitsError(RuntimeError):
    """Limits or budgets cannot be held as configured; the message is one line."""


class Metering:
    """Counts from `start` to `close`. What is spent is saved every ten seconds; the spool knows the rest."""

    def __init__(
        self,
        settings: Settings,
        *,
        spool: Path,
        book: Callable[[str, str], PriceBook],
        has_budgets: bool,
        n_workers: int = 1,
    ) -> None:
        """Read what the last run left; `spool` must be ours by now. Raises LimitsError."""
        self._path = spool / FILE
        try:
            self.local = LocalMeter(open_ledger(spool, is_wanted=has_budgets))
        except OSError as error:
            raise LimitsError(f"the budgets cannot be kept in {self._path}: {error}") from error
        self.shared = _shared(settings, local=self.local)
        self.admission = MeteredAdmission(self.shared or self.local, book=book)
        self._shares = n_workers if self.shared is None else 1
        self._saved: State | None = None
        self._closing = asyncio.Event()
        self._saving: asyncio.Task[None] | None = None

    def take_in(self, snapshot: Snapshot) -> None:
        """Hold callers to the limits and budgets of this snapshot."""
        rules = Rules(
            limits=snapshot.limits, budgets=snapshot.budgets, keys=snapshot.keys, shares=self._shares
        )
        if self._shares > 1 and not rules.is_empty:
            text = (
                "limits were set after the start: each of %d workers holds to its part until REDIS_URL is set"
            )
            logger.warning(text, self._shares)
        self.admission.replace(rules)

    async def start(self) -> None:
        if self.shared is not None:
            await self.shared.start()
        self._saving = asyncio.create_task(self._save_often(), name="lqo budgets")

    async def close(self) -> None:
        """Save the last state; call it when no call is running any more."""
        self._closing.set()
        if self._saving is not None:
            await self._saving
        if self.shared is not None:
            await self.shared.close()
        self._save(self.local.ledger.state())

    async def _save_often(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SAVE_SECONDS):
                    await self._closing.wait()
            self.local.ledger.forget_before((datetime.now(UTC) - _KEPT).date().isoformat())
            # The copy is one instant between two calls; writing it must not hold them up.
            await asyncio.to_thread(self._save, self.local.ledger.state())

    def _save(self, state: State) -> None:
        if state == self._saved:
            return
        try:
            save(self._path, state)
            self._saved = state
        except OSError as error:
            logger.error("the budgets could not be saved, a restart reads the spool instead: %s", error)


def check_shared_limits(n_workers: int, snapshot: Snapshot, settings: Settings) -> None:
    """Raise LimitsError for several workers that would each count by itself what is one limit or budget."""
    has_rules = bool(snapshot.limits or snapshot.budgets)
    if n_workers > 1 and has_rules and settings.redis_url is None:
        raise LimitsError(
            f"{n_workers} workers would each count limits and budgets alone: set REDIS_URL, or run one worker"
        )


def _shared(settings: Settings, *, local: LocalMeter) -> SharedMeter | None:
    if settings.redis_url is None:
        return None
    try:
        return SharedMeter(settings.redis_url, local=local, when_down=settings.redis_down)
    except ModuleNotFoundError:
        raise LimitsError(
            "REDIS_URL needs the package redis: pip install 'llm-quality-observer[redis]'"
        ) from None
    except ValueError as error:
        raise LimitsError(f"REDIS_URL is no Redis URL: {' '.join(str(error).split())}") from None
