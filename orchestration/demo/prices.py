"""The simulated models' price list, with one price cut inside the demo's two weeks."""

import csv
from datetime import timedelta
from pathlib import Path

from orchestration.demo.traffic import DAYS, Plan

# USD per million tokens: input, cached input, output. dew-preview has none on purpose: it shows as unpriced.
PRICES = {
    "aurora-large": ("3.00", "0.75", "12.00"),
    "aurora-mini": ("0.40", "0.10", "1.60"),
    "borealis-70b": ("0.70", "0.70", "0.90"),
    "cumulus-7b": ("0.08", "0.08", "0.12"),
}
CUT_MODEL, CUT_AGE, CUT_OUTPUT = "aurora-large", timedelta(days=7), "9.00"
BUCKETS = ("input_uncached", "cache_read", "output_text")
COLUMNS = ("provider", "model", "bucket", "usd_per_million", "valid_from", "valid_to", "source")


def write_prices(plan: Plan, path: Path) -> None:
    """Write the list in the form of `lqo prices import`."""
    first = (plan.anchor - timedelta(days=DAYS)).isoformat()
    cut = (plan.anchor - CUT_AGE).isoformat()
    rows: list[tuple[str, ...]] = []
    for model, prices in PRICES.items():
        for bucket, usd in zip(BUCKETS, prices, strict=True):
            if (model, bucket) == (CUT_MODEL, "output_text"):
                rows.append(("", model, bucket, usd, first, cut, "demo list"))
                rows.append(("", model, bucket, CUT_OUTPUT, cut, "", "demo list, price cut"))
            else:
                rows.append(("", model, bucket, usd, first, "", "demo list"))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
