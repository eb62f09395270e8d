"""Prices for a whole frame of calls: row for row the digits of `price()`, at frame speed."""

from typing import Final

import polars as pl

from evaluators.pricing.amounts import USD, amounts
from evaluators.pricing.book import PriceBook
from evaluators.pricing.plans import PlanFinder
from evaluators.pricing.reading import FrameReading
from evaluators.usage import BUCKETS

KEYS: Final = ("call_id", "started_at", "attempt", "provider", "model")
CHARGES: Final[dict[str, pl.DataType]] = {
    "price_version": pl.Int64(),
    "price_row_ids": pl.List(pl.Int64()),
    **{bucket: pl.Int64() for bucket in BUCKETS},
    "amount_usd": USD,
    "unpriced_reason": pl.String(),
    "reported_usd": USD,
}
SLICE: Final = 50_000
"""Rows at a time: what stands beside them in memory is then at most some tens of MB."""


def price_frame(frame: pl.DataFrame, *, book: PriceBook) -> pl.DataFrame:
    """The columns of `cost.charges` for each row, in the frame's order.

    In: call_id, started_at (aware), attempt, provider, model, endpoint, usage (JSON text or null),
    service_tier (what is said of it beside the usage object, or null). Out: KEYS and CHARGES. Token columns
    are null where the usage has no buckets; `amount_usd` is null exactly where `unpriced_reason` is not.
    """
    parts = frame.iter_slices(SLICE) if len(frame) > SLICE else [frame]
    return pl.concat([_priced(part, PlanFinder(book)) for part in parts])


def _priced(frame: pl.DataFrame, finder: PlanFinder) -> pl.DataFrame:
    read = FrameReading(frame, finder)
    has_none = pl.Series(~read.has_counts)
    tokens = [pl.Series(name, read.counts[row]).set(has_none, None) for row, name in enumerate(BUCKETS)]
    charged = (
        amounts(read.counts, read.found, finder.found)
        .hstack(tokens)
        .hstack([pl.Series("reported_usd", read.reported, dtype=USD)])
    )
    return frame.select(KEYS).hstack(charged[list(CHARGES)])
