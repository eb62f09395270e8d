"""Figures of docs/real-data-prices.md: `python tests/benchmarks/usage_truth.py [DATA_FOLDER]`."""

import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluators.pricing.book import PriceBook, price
from evaluators.pricing.files import read_price_file
from evaluators.pricing.genai import Refused, snapshot_rows
from evaluators.pricing.rows import Charge
from evaluators.usage import Unbucketed, count_tokens
from ingest.providers.answers import tier_of
from tests.evaluators.usage_data import agrees, payloads, usages

AT = datetime(2026, 11, 1, tzinfo=UTC)
TOLERANCE = Decimal("0.001")
PROVIDERS = {
    "anthropic.com": "anthropic",
    "openai.com": "openai",
    "googleapis.com": "google",
    "amazonaws.com": "aws",
    "groq.com": "groq",
    "mistral.ai": "mistral",
    "openrouter.ai": "openrouter",
    "deepseek.com": "deepseek",
    "cohere.com": "cohere",
    "cerebras.ai": "cerebras",
    "azure.com": "azure",
    "voyageai.com": "voyageai",
    "z.ai": "zai",
}


def main() -> None:
    folder = (
        Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[3] / "shared" / "data"
    )
    report_usages(folder)
    report_payloads(folder)
    report_history(folder)


def report_usages(folder: Path) -> None:
    outcomes: Counter[str] = Counter()
    for usage, extracted in usages(folder):
        counts = count_tokens(usage)
        if isinstance(counts, Unbucketed):
            outcomes[f"unbucketed, {counts.reason}: {counts.detail}"] += 1
        elif agrees(counts, extracted):
            outcomes["bucketed, as genai-prices extracts it"] += 1
        else:
            outcomes["bucketed, otherwise than genai-prices"] += 1
    show("provider_usages.jsonl.xz", outcomes)


def report_payloads(folder: Path) -> None:
    buckets: Counter[str] = Counter()
    prices: Counter[str] = Counter()
    ratios: list[Decimal] = []
    differing: list[str] = []
    priced_by: dict[tuple[str, str], PriceBook] = {}
    for host, status, response, usage in payloads(folder):
        endpoint = "/v1/embeddings" if "voyage" in host else ""
        provider = next((name for part, name in PROVIDERS.items() if host.endswith(part)), host)
        counts = count_tokens(usage, provider=provider, endpoint=endpoint)
        if isinstance(counts, Unbucketed):
            of = f" (HTTP {status})" if counts.reason == "missing_usage" else f": {counts.detail[:70]}"
            buckets[f"unbucketed, {counts.reason}{of}"] += 1
            continue
        buckets["bucketed"] += 1
        model = str(response.get("model") or response.get("modelVersion") or "").removeprefix("models/")
        if not model:
            prices["not tried: the response names no model"] += 1
            continue
        book = priced_by.setdefault((provider, model), snapshot(provider, model))
        tier = tier_of(response.get("service_tier"))
        charge = price(
            usage, provider=provider, model=model, at=AT, book=book, endpoint=endpoint, service_tier=tier
        )
        if not isinstance(charge, Charge):
            prices[f"unpriced, {charge.reason}"] += 1
            continue
        prices["priced"] += 1
        if charge.reported_usd:
            ratios.append(charge.amount_usd / charge.reported_usd)
            if abs(ratios[-1] - 1) >= TOLERANCE:
                differing.append(
                    f"{model}: {charge.amount_usd.normalize():f}, not {charge.reported_usd.normalize():f}"
                )
    show("provider_payloads.jsonl.xz, usage", buckets)
    show("provider_payloads.jsonl.xz, prices of genai-prices at 2026-11-01", prices)
    print(f"  the provider's own cost: {len(ratios) - len(differing)} of {len(ratios)} within 0.1 %, and not")
    print(*(f"    {line}" for line in differing), sep="\n")


def snapshot(provider: str, model: str) -> PriceBook:
    rows = snapshot_rows(provider, model, at=AT)
    if isinstance(rows, Refused):
        return PriceBook([])
    return PriceBook(replace(row, id=number) for number, row in enumerate(rows, start=1))


def report_history(folder: Path) -> None:
    file = read_price_file(folder / "price_history.csv", recorded_at=AT)
    outcomes = Counter({"rows": len(file.rows)})
    outcomes.update(f"rejected, {reject.reason.split(': ')[-1]}" for reject in file.rejects)
    show("price_history.csv", outcomes)
    for reject in file.rejects:
        if "price is 0" not in reject.reason:
            print(f"    line {reject.line}, {reject.model}: {reject.reason}")


def show(title: str, outcomes: Counter[str]) -> None:
    print(f"{title}: {sum(outcomes.values())}")
    for outcome, count in outcomes.most_common():
        print(f"  {count:6,}  {outcome}")


if __name__ == "__main__":
    main()
