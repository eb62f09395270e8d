"""What recorded usage objects cost, against the prices recorded with them: every difference has a reason."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from genai_prices import Usage, calc_price

from evaluators.pricing.book import PriceBook, price
from evaluators.pricing.genai import snapshot_rows
from evaluators.pricing.rows import Charge, Unpriced
from tests.evaluators.usage_data import agrees, lines

AT = datetime(2026, 11, 20, tzinfo=UTC)
EXACT = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One price of one usage object: `flavor` is the reading of the object that gave it."""

    provider: str
    model: str
    flavor: str
    usage: dict[str, Any]
    extracted: dict[str, Any]
    usd: Decimal
    all_readings: list[dict[str, Any]]

    @property
    def outcome(self) -> str:
        book = book_of(self.provider, self.model)
        if book is None:
            return "the library has no price per token"
        found = price(self.usage, provider=self.provider, model=self.model, at=AT, book=book)
        if isinstance(found, Unpriced):
            return found.reason
        return "equal" if abs(found.amount_usd - self.usd) <= EXACT else self._why(found)

    def _why(self, charge: Charge) -> str:
        """Why a price differs from the recorded one."""
        counts = charge.buckets.counts
        if agrees(counts, [self.extracted]):
            today = calc_price(
                Usage(**self.extracted["usage"]),
                self.model,
                provider_id=self.provider,
                genai_request_timestamp=AT,
            )
            is_equal = abs(today.total_price - charge.amount_usd) <= EXACT
            return "the price is another today" if is_equal else "unexplained"
        if any(step.get("type") == "compaction" for step in self.usage.get("iterations") or ()):
            return "a compaction is billed"
        return "another API's reading" if agrees(counts, self.all_readings) else "unexplained"


def recorded(folder: Path) -> Iterator[Recorded]:
    for line in lines(folder / "provider_usages.jsonl.xz"):
        body = line["body"]
        usage = body.get("usage") or body.get("usageMetadata") or body["meta"]
        for reading in line["extracted"]:
            for each in reading["extractors"]:
                if "input_price" in each or "output_price" in each:
                    usd = Decimal(each.get("input_price", "0")) + Decimal(each.get("output_price", "0"))
                    yield Recorded(
                        each["provider_id"],
                        line["model"],
                        each["api_flavor"],
                        usage,
                        reading,
                        usd,
                        line["extracted"],
                    )


@cache
def book_of(provider: str, model: str) -> PriceBook | None:
    rows = snapshot_rows(provider, model, at=AT)
    if not isinstance(rows, list):
        return None
    return PriceBook(replace(row, id=number) for number, row in enumerate(rows, start=1))


def test_recorded_prices_agree_or_differ_for_a_reason(shared_data: Path) -> None:
    outcomes = Counter(each.outcome for each in recorded(shared_data))

    assert outcomes == {
        "equal": 2895,
        # Embeddings readers leave the output out; OpenAI's on Claude leaves the cache out, and the reverse.
        "another API's reading": 406,
        "the price is another today": 104,
        "unpriced_fee:web_search": 35,
        "unsupported_usage": 17,
        "a compaction is billed": 10,
        "the library has no price per token": 3,
        "inconsistent_usage": 2,
        "unpriced_fee:server_tool": 1,
        "unpriced_service_tier:flex": 1,
    }
