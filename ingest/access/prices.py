"""What a call costs at the prices of the snapshot: the same function as the warehouse's charges."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from evaluators.pricing.book import PriceBook, price
from evaluators.pricing.rows import PriceRow, Unpriced
from ingest.access.snapshot import Price, Snapshot
from ingest.providers.base import Reading
from ingest.proxy.ports import Target

logger = logging.getLogger(__name__)

_MOST_MODELS = 5_000
"""Models the book remembers rates of; providers name what they served, so the names are not ours to bound."""


def rows_of(snapshot: Snapshot) -> tuple[PriceRow, ...]:
    """The price rows of a snapshot; one that no price may be is left out and said."""
    rows: list[PriceRow] = []
    for item in snapshot.prices:
        try:
            rows.append(_row(item))
        except ValueError as error:
            logger.warning("the price row %s of %s is left out: %s", item.id, item.model, error)
    return tuple(rows)


class SnapshotPricer:
    """Prices calls from rows in memory. `rows_of` may run in any thread, `replace` and `cost` on the loop."""

    def __init__(self) -> None:
        self.replace(())

    def replace(self, rows: Sequence[PriceRow]) -> None:
        self._rows = tuple(rows)
        self._forget()

    def cost(self, reading: Reading, *, target: Target, endpoint: str, at_ns: int) -> Decimal | None:
        """USD of one answered attempt; None where the book cannot say."""
        model = reading.served_model or target.model or ""
        if not self._knows(target.provider, model):
            return None
        return self.price(
            reading.usage,
            provider=target.provider,
            model=model,
            endpoint=endpoint,
            at=_moment(at_ns),
            service_tier=reading.service_tier,
        )

    def price(
        self,
        usage: Mapping[str, Any] | None,
        *,
        provider: str,
        model: str,
        endpoint: str,
        at: datetime,
        service_tier: str | None = None,
    ) -> Decimal | None:
        """USD of a usage object at an aware time; None where the book cannot say."""
        if not model:
            return None
        found = price(
            usage,
            provider=provider,
            model=model,
            at=at,
            book=self.book_of(provider, model),
            endpoint=endpoint,
            service_tier=service_tier,
        )
        return None if isinstance(found, Unpriced) else found.amount_usd

    def book_of(self, provider: str, model: str) -> PriceBook:
        """The book, to ask about this model."""
        self._knows(provider, model)
        return self._book

    def _knows(self, provider: str, model: str) -> bool:
        """Whether any row is about this model; else there is no need to count its tokens."""
        known = self._asked.get((provider, model))
        if known is None:
            if len(self._asked) >= _MOST_MODELS:
                self._forget()
            known = self._asked[provider, model] = self._book.knows(provider, model)
        return known

    def _forget(self) -> None:
        self._book = PriceBook(self._rows)
        self._asked: dict[tuple[str, str], bool] = {}


def _row(item: Price) -> PriceRow:
    return PriceRow(
        id=item.id,
        provider=item.provider,
        model=item.model,
        match=item.match,
        bucket=item.bucket,
        usd_per_million=item.usd_per_million,
        min_input_tokens=item.min_input_tokens,
        service_tier=item.service_tier,
        currency=item.currency,
        valid_from=item.valid_from,
        valid_to=item.valid_to,
        recorded_at=item.recorded_at,
        source=item.source,
        price_version=item.price_version,
    )


def _moment(at_ns: int) -> datetime:
    """Unix nanoseconds as a UTC time, cut to the millisecond as `started_at` is on landing."""
    seconds, rest = divmod(at_ns // 1_000_000, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)
