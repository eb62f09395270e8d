"""What the prices of a frame's calls turn out to be, numbered: plans of rates, or why there is none."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluators.pricing.book import PriceBook
from evaluators.pricing.rows import Unpriced
from evaluators.pricing.timeline import DAY_US, Plan, Timeline

ModelTier = tuple[str, str, str]
Numbers = NDArray[np.int64]


class PlanFinder:
    """Finds plans in a book, for one call or for many, and numbers what it finds: `found[number]`.

    A call without a plan finds the reason, as text. Keys are (provider, model, service tier by our name).
    """

    def __init__(self, book: PriceBook) -> None:
        self.found: Final[list[Plan | str]] = []
        self._book = book
        self._numbers: dict[int | str, int] = {}
        self._timelines: dict[ModelTier, Timeline] = {}

    def number(self, found: Plan | Unpriced | str) -> int:
        """The number of a plan or reason: a new one for what was not found before."""
        result = found.reason if isinstance(found, Unpriced) else found
        number = self._numbers.setdefault(result if isinstance(result, str) else id(result), len(self.found))
        if number == len(self.found):
            self.found.append(result)
        return number

    def find(self, key: ModelTier, at_us: int, input_tokens: int) -> int:
        """The number of what one call finds."""
        return self.number(self._timeline(key).plan(at_us, input_tokens))

    def find_many(self, key: ModelTier, at_us: Numbers, input_tokens: Numbers) -> Numbers:
        """The number of what each call finds; at least one call."""
        places = _places(self._timeline(key), at_us, input_tokens)
        some_call = np.full(places.max() + 1, -1, np.int64)
        some_call[places] = np.arange(len(places))
        numbers = np.zeros(len(some_call), np.int64)
        for place in np.flatnonzero(some_call >= 0):
            call = some_call[place]
            numbers[place] = self.find(key, int(at_us[call]), int(input_tokens[call]))
        return numbers[places]

    def _timeline(self, key: ModelTier) -> Timeline:
        timeline = self._timelines.get(key)
        if timeline is None:
            provider, model, tier = key
            timeline = self._timelines[key] = self._book.timeline(provider, model, service_tier=tier)
        return timeline


def _places(timeline: Timeline, at_us: Numbers, input_tokens: Numbers) -> NDArray[np.intp]:
    """For each call the number of the stretch of time, hours of the day and input tier that it lies in."""
    places = np.searchsorted(timeline.breaks, at_us, side="right")
    n_hours, n_tiers = len(timeline.day_breaks) + 1, len(timeline.thresholds) + 1
    places = places * n_hours + np.searchsorted(timeline.day_breaks, at_us % DAY_US, side="right")
    return places * n_tiers + np.searchsorted(timeline.thresholds, input_tokens, side="left")
