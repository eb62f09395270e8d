"""Tokens times rates for whole columns, exact: the same digits as `to_dollars(plan.amount(counts))`."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluators.pricing.timeline import Plan
from evaluators.usage import BUCKETS
from evaluators.usage_shapes import Counts

USD: Final = pl.Decimal(38, 12)
ATTO_PER_PICO: Final = 10**6
RECEIPT: Final[dict[str, pl.DataType]] = {
    "price_version": pl.Int64(),
    "price_row_ids": pl.List(pl.Int64()),
    "unpriced_reason": pl.String(),
}
Numbers = NDArray[np.int64]


def amounts(counts: Numbers, number: Numbers, found: Sequence[Plan | str]) -> pl.DataFrame:
    """amount_usd, price_version, price_row_ids and unpriced_reason of each call.

    `counts` by bucket and call (0 for none), `number` the place of each call's plan or reason in `found`.
    """
    receipts = _receipts(_used(counts), number, found)
    dollars = receipts.select(
        amount_usd=pl.when(pl.col("unpriced_reason").is_null()).then(_dollars(counts, number, found))
    )
    return receipts.hstack(dollars)


def _used(counts: Numbers) -> Numbers:
    """One bit per bucket that has tokens: calls of one plan and one such set share their receipt."""
    low, high = np.packbits(counts > 0, axis=0, bitorder="little")
    return low + (high.astype(np.int64) << 8)


def _dollars(counts: Numbers, number: Numbers, found: Sequence[Plan | str]) -> pl.Series:
    """Tokens times rates in 10^-18 USD, rounded half-even to 10^-12 USD, as decimal dollars."""
    attos = pl.zeros(len(number), dtype=pl.Int128, eager=True)
    for bucket in np.flatnonzero(counts.any(axis=1)).tolist():
        rates = np.array([_atto(item, bucket) for item in found], np.int64)
        if rates.any():
            attos = attos + pl.Series(counts[bucket]).cast(pl.Int128) * pl.Series(rates[number])
    pico, rest = pl.col("atto") // ATTO_PER_PICO, pl.col("atto") % ATTO_PER_PICO
    half = ATTO_PER_PICO // 2
    up = (rest > half) | ((rest == half) & (pico % 2 == 1))
    whole = (pico + up.cast(pl.Int128)).cast(pl.Decimal(38, 0))
    return attos.to_frame("atto").select((whole * pl.lit(Decimal("1E-12"), USD)).cast(USD)).to_series()


def _atto(found: Plan | str, bucket: int) -> int:
    rate = None if isinstance(found, str) else found.rates[bucket]
    return rate.atto if rate else 0


def _receipts(used: Numbers, number: Numbers, found: Sequence[Plan | str]) -> pl.DataFrame:
    """For each call the version and the row ids, or why it has no price."""
    kinds, kind = np.unique(number * 2 ** len(BUCKETS) + used, return_inverse=True)
    receipts = [_receipt(found[code >> len(BUCKETS)], code % 2 ** len(BUCKETS)) for code in kinds.tolist()]
    return pl.DataFrame(receipts, schema=RECEIPT, orient="row")[kind]


def _receipt(found: Plan | str, used: int) -> tuple[int | None, list[int], str | None]:
    if isinstance(found, str):
        return None, [], found
    a, b, c, d, e, f, g, h, i, j = (used >> bit & 1 for bit in range(len(BUCKETS)))
    counts: Counts = (a, b, c, d, e, f, g, h, i, j)
    if missing := found.missing(counts):
        return None, [], missing.reason
    return found.price_version, [row.id for row in found.rows(counts)], None
