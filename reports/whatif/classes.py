"""Where prices may change: between two neighbouring edges every call of a model has the same rates."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction

from evaluators.pricing.rows import PriceRow
from reports.whatif.question import Candidate, Terms

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Edges:
    """The instants, hours of the day and input lengths at which rates may change.

    An edge is the first time, or number of input tokens as recorded, of what comes after it.
    """

    times: tuple[datetime, ...]
    hours: tuple[time, ...]
    inputs: tuple[int, ...]

    def within(self, day: date, *, terms: Terms) -> list[datetime]:
        """The edges inside a UTC day, ascending; those of `prices_at` at their hour of it."""
        start = datetime.combine(day, time(), tzinfo=UTC)
        priced = start if terms.prices_at is None else datetime.combine(terms.prices_at, time(), tzinfo=UTC)
        moved = (start + (edge - priced) for edge in self.times if priced < edge < priced + DAY)
        daily = (datetime.combine(day, hour, tzinfo=UTC) for hour in self.hours)
        return sorted({*moved, *daily})


def edges_of(rows: Iterable[PriceRow], candidates: Iterable[Candidate]) -> Edges:
    """Every edge that any of the rows has, and the candidates' context windows."""
    times: set[datetime] = set()
    hours: set[time] = set()
    floors: set[int] = set()
    for row in rows:
        times |= {row.valid_from, row.valid_to or row.valid_from}
        floors.add(row.min_input_tokens)
        window = row.service_tier.partition("@")[2]
        hours |= {time.fromisoformat(part) for part in window.split("-")} if window else set()
    given = list(candidates)
    floors |= {each.context_window for each in given if each.context_window is not None}
    ratios = {Fraction(1), *(each.input_ratio for each in given)}
    # The fewest recorded tokens that are more than the floor once multiplied.
    inputs = {int(floor // ratio) + 1 for floor in floors if floor > 0 for ratio in ratios}
    return Edges(tuple(sorted(times)), tuple(sorted(hours)), tuple(sorted(inputs)))
