"""Many calls find the plan that each of them finds alone, at every edge of a price too."""

from datetime import timedelta

import numpy as np

from evaluators.pricing.book import PriceBook
from evaluators.pricing.plans import PlanFinder
from evaluators.pricing.timeline import DAY_US, microseconds
from tests.evaluators.price_rows import KNOWN, row

END = KNOWN + timedelta(days=9)
BOOK = PriceBook(
    [
        row(usd="1", valid_to=END, id=1),
        row(usd="2", min_input_tokens=1_000, id=2),
        row(usd="3", min_input_tokens=200_000, id=3),
        row(usd="4", service_tier="standard@22:00-06:30", id=4),
        row(usd="5", valid_from=KNOWN + timedelta(days=3), id=5),
        row("output_text", usd="6", valid_from=END + timedelta(days=2), id=6),
    ]
)
HOUR_US = DAY_US // 24
EDGES = [microseconds(KNOWN + timedelta(days=days)) for days in (0, 3, 9, 11)]
HOURS = [edge + hours * HOUR_US // 2 for edge in EDGES for hours in (0, 13, 44, 47)]
TIMES = [time + step for time in [*EDGES, *HOURS, -5 * DAY_US] for step in (-1, 0, 1)]
TOKENS = [0, 1, 999, 1_000, 1_001, 199_999, 200_000, 200_001]


def test_many_calls_find_what_each_finds_alone() -> None:
    finder = PlanFinder(BOOK)
    calls = [(time, tokens) for time in TIMES for tokens in TOKENS]
    times, tokens = (np.array(column, np.int64) for column in zip(*calls, strict=True))
    for key in (("acme", "m", "standard"), ("acme", "m", "batch"), ("acme", "other", "standard")):
        alone = [finder.find(key, time, tokens) for time, tokens in calls]
        assert finder.find_many(key, times, tokens).tolist() == alone


def test_equal_reasons_have_one_number() -> None:
    finder = PlanFinder(BOOK)
    unknown = [finder.find(("acme", name, "standard"), TIMES[0], 1) for name in ("x", "y")]
    assert unknown == [finder.number("unknown_model")] * 2
    assert finder.found == ["unknown_model"]
