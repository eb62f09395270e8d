"""What one set of price rows says otherwise than another: corrections, new prices, ended ones."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from evaluators.pricing.rows import PriceRow


@dataclass(frozen=True, slots=True)
class Change:
    """`added` has no `before`, `ended` no `after`, `corrected` both."""

    kind: Literal["added", "corrected", "ended"]
    before: PriceRow | None
    after: PriceRow | None

    @property
    def row(self) -> PriceRow:
        """The row the change is about: the newer one, where there is one."""
        row = self.after or self.before
        assert row is not None
        return row


def price_key(row: PriceRow) -> tuple[object, ...]:
    """What makes two rows the same price, said again or corrected."""
    return (*series_key(row), row.valid_from)


def price_value(row: PriceRow) -> tuple[object, ...]:
    """What a correction changes."""
    return (row.usd_per_million, row.valid_to)


def series_key(row: PriceRow) -> tuple[object, ...]:
    """What makes two rows prices of one thing at different times."""
    return (
        row.authority,
        row.provider,
        row.model,
        row.match,
        row.bucket,
        row.min_input_tokens,
        row.service_tier,
        row.currency,
    )


def changes(
    before: Iterable[PriceRow], after: Iterable[PriceRow], *, is_complete: bool = True
) -> list[Change]:
    """What `after` says otherwise; rows that it leaves out have ended only if it is complete."""
    held = {price_key(row): row for row in before}
    given = {price_key(row): row for row in after}
    found = list(_said(held, given))
    if is_complete:
        found += [Change("ended", row, None) for key, row in held.items() if key not in given]
    return found


def overruled(held: Iterable[PriceRow], given: Iterable[PriceRow]) -> list[tuple[PriceRow, PriceRow]]:
    """(new, old): rows of an import that also hold at the start of a later price of the same series.

    The row recorded last wins, so an old price that is corrected without an end takes the place of all that
    came after it.
    """
    new = {price_key(row): row for row in given}
    later: dict[tuple[object, ...], list[PriceRow]] = {}
    for row in held:
        if price_key(row) not in new:
            later.setdefault(series_key(row), []).append(row)
    return [
        (row, old)
        for row in new.values()
        for old in later.get(series_key(row), ())
        if row.valid_from < old.valid_from and (row.valid_to is None or old.valid_from < row.valid_to)
    ]


def _said(
    held: dict[tuple[object, ...], PriceRow], given: dict[tuple[object, ...], PriceRow]
) -> Iterator[Change]:
    for key, row in given.items():
        old = held.get(key)
        if old is None:
            yield Change("added", None, row)
        elif price_value(old) != price_value(row):
            yield Change("corrected", old, row)
