"""The buckets of recorded usage objects of a dozen providers, with every disagreement accounted for."""

from collections import Counter
from pathlib import Path

from evaluators.usage import Unbucketed, count_tokens
from tests.evaluators.usage_data import agrees, payloads, usages


def test_recorded_usages_agree_with_genai_prices_or_say_why(shared_data: Path) -> None:
    agreed, differing = 0, []
    refused: Counter[str] = Counter()
    for usage, extracted in usages(shared_data):
        counts = count_tokens(usage)
        if isinstance(counts, Unbucketed):
            refused[counts.reason] += 1
        elif agrees(counts, extracted):
            agreed += 1
        else:
            differing.append(usage)
    assert agreed == 1568
    assert refused == {"unsupported_usage": 5, "inconsistent_usage": 2}
    # The library leaves out what Anthropic bills for a compaction beside the top level.
    assert len(differing) == 2
    assert all(any(step["type"] == "compaction" for step in usage["iterations"]) for usage in differing)


def test_recorded_payloads_are_bucketed_or_say_why(shared_data: Path) -> None:
    outcomes: Counter[str] = Counter()
    for host, _, _, usage in payloads(shared_data):
        counts = count_tokens(usage, endpoint="/v1/embeddings" if "voyage" in host else "")
        outcomes[counts.reason if isinstance(counts, Unbucketed) else "bucketed"] += 1
    assert outcomes == {
        "bucketed": 1516,
        "missing_usage": 35,  # errors, and answers that carry none
        "unsupported_usage": 4,
        "inconsistent_usage": 4,
        "unknown_shape": 1,  # {"trafficType": "ON_DEMAND"} alone
    }
