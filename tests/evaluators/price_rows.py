"""Price rows for tests: one dollar of anything unless said otherwise."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from evaluators.pricing.rows import PriceRow

DAY = datetime(2026, 3, 1, tzinfo=UTC)
KNOWN = datetime(2026, 1, 1, tzinfo=UTC)


def row(bucket: str = "input_uncached", usd: str = "1", **fields: Any) -> PriceRow:
    """A row of provider `acme`, model `m`, valid from 2026-01-01 and recorded then."""
    defaults: dict[str, Any] = {
        "provider": "acme",
        "model": "m",
        "valid_from": KNOWN,
        "recorded_at": KNOWN,
        "source": "test",
        "price_version": 1,
    }
    return PriceRow(bucket=bucket, usd_per_million=Decimal(usd), **(defaults | fields))
