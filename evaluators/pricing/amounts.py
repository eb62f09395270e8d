"""Tokens times rates for whole columns, exact: the same digits as `to_dollars(plan.amount(counts))`."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import polars as pl

from evaluators.pricing.timeline import Plan
from evaluators.usage import BUCKETS
from evaluators.usage_shapes import Counts

USD: Final = pl.Decimal(38, 12)
ATTO_PER_PICO: Final = 10**6


def amounts(tokens: Sequence[pl.Series], number: pl.Series, found: Sequence[Plan | str]) -> pl.DataFrame:
    """amount_usd, price_version, price_row_ids and unpriced_reason of each call.

    `tokens` by bucket (null: none), `number` the place of each call's plan or reason in `found`.
    """
    used = _used(tokens)
    receipts = _receipts(pl.DataFrame({"found": number, "used": used}).unique(), found)
    return (
        pl.DataFrame({"found": number, "used": used, "dollars": _dollars(tokens, number, found)})
        .join(receipts, on=["found", "used"], how="left", maintain_order="left")
        .select(
            "price_version",
            "price_row_ids",
            "unpriced_reason",
            amount_usd=pl.when(pl.col("unpriced_reason").is_null()).then("dollars"),
        )
    )


def _used(tokens: Sequence[pl.Series]) -> pl.Series:
    """One bit per bucket that has tokens: calls of one plan and one such set share their receipt."""
    bits = [(pl.col(name) > 0).fill_null(value=False) * 2**bit for bit, name in enumerate(BUCKETS)]
    return pl.DataFrame(tokens).select(used=pl.sum_horizontal(bits).cast(pl.Int64)).to_series()


def _dollars(tokens: Sequence[pl.Series], number: pl.Series, found: Sequence[Plan | str]) -> pl.Series:
    """Tokens times rates in 10^-18 USD, rounded half-even to 10^-12 USD, as decimal dollars."""
    attos = pl.zeros(len(number), dtype=pl.Int128, eager=True)
    for bucket, series in enumerate(tokens):
        rates = pl.Series([_atto(item, bucket) for item in found], dtype=pl.Int128)
        if (series > 0).any() and (rates > 0).any():
            attos = attos + series.fill_null(0).cast(pl.Int128) * rates.gather(number)
    pico, rest = pl.col("atto") // ATTO_PER_PICO, pl.col("atto") % ATTO_PER_PICO
    half = ATTO_PER_PICO // 2
    up = (rest > half) | ((rest == half) & (pico % 2 == 1))
    whole = (pico + up.cast(pl.Int128)).cast(pl.Decimal(38, 0))
    return attos.to_frame("atto").select((whole * pl.lit(Decimal("1E-12"), USD)).cast(USD)).to_series()


def _atto(found: Plan | str, bucket: int) -> int:
    rate = None if isinstance(found, str) else found.rates[bucket]
    return rate.atto if rate else 0


def _receipts(pairs: pl.DataFrame, found: Sequence[Plan | str]) -> pl.DataFrame:
    """For each (number, set of used buckets): the version and the row ids, or why there is no price."""
    receipts = [(number, used, *_receipt(found[number], used)) for number, used in pairs.rows()]
    schema = {"found": pl.Int64, "used": pl.Int64, "price_version": pl.Int64}
    schema |= {"price_row_ids": pl.List(pl.Int64), "unpriced_reason": pl.String}
    return pl.DataFrame(receipts, schema=schema, orient="row")


def _receipt(found: Plan | str, used: int) -> tuple[int | None, list[int], str | None]:
    if isinstance(found, str):
        return None, [], found
    a, b, c, d, e, f, g, h = (used >> bit & 1 for bit in range(len(BUCKETS)))
    counts: Counts = (a, b, c, d, e, f, g, h)
    if missing := found.missing(counts):
        return None, [], missing.reason
    return found.price_version, [row.id for row in found.rows(counts)], None
