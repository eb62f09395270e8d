"""Well-known past prices that ship with the project: facts, each with where and when it was published.

Price tables of today forget what a model cost before a cut, or before its alias moved, and tables of observed
prices saw the cut late or never. Every span here has an end, after which the table of today speaks again; a
price of the user's own always wins over both.
"""

import csv
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from evaluators.pricing.rejects import parse_price, parse_time
from evaluators.pricing.rows import ALWAYS, CURATED_SOURCE, STANDARD, PriceRow

INPUT: Final = ("cache_read", "cache_write", "cache_write_1h")
FILE: Final = "curated_prices.csv"


@cache
def curated_rows() -> tuple[PriceRow, ...]:
    """Every curated price, one row a bucket, with id 0, price version 0 and no time of recording."""
    text = files("evaluators.pricing").joinpath(FILE).read_text(encoding="utf-8")
    return tuple(row for cells in csv.DictReader(text.splitlines()) for row in _rows(cells))


def _rows(cells: Mapping[str, str]) -> Iterator[PriceRow]:
    for bucket, usd in _prices(cells).items():
        yield PriceRow(
            provider=cells["provider"],
            model=cells["model"],
            bucket=bucket,
            usd_per_million=parse_price(usd),
            min_input_tokens=int(cells["min_input_tokens"] or 0),
            service_tier=cells["service_tier"] or STANDARD,
            valid_from=parse_time(cells["valid_from"]),
            valid_to=parse_time(cells["valid_to"]),
            recorded_at=ALWAYS,
            source=f"{CURATED_SOURCE}: {cells['published']}",
        )


def _prices(cells: Mapping[str, str]) -> dict[str, str]:
    """Price by bucket. A kind of token without a price of its own cost what all input, or output, did.

    All are said: what is left out would be taken from a table of today, and mix two times in one charge. But
    for images: none of these models writes any, and reading them follows the price of input by itself.
    """
    prices = {"input_uncached": cells["input"], "input_audio": cells["input"]}
    prices |= {bucket: cells[bucket] or cells["input"] for bucket in INPUT}
    if cells["output"]:
        prices |= dict.fromkeys(("output_text", "reasoning", "output_audio"), cells["output"])
    return prices
