"""What a newer library changes about a copied model: all of what it says, and none of what it forgot."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from evaluators.pricing.book import PriceBook, price
from evaluators.pricing.renewal import Renewal, renew
from evaluators.pricing.rows import ALWAYS, Charge, PriceRow
from tests.evaluators.price_rows import row

JUNE, JULY, AUGUST = (datetime(2026, month, 1, tzinfo=UTC) for month in (6, 7, 8))
LATER = datetime(2026, 9, 1, tzinfo=UTC)
MILLION = {"prompt_tokens": 10**6, "completion_tokens": 0, "total_tokens": 10**6}


def copied(usd: str, start: datetime = ALWAYS, end: datetime | None = None, **fields: Any) -> PriceRow:
    return row(usd=usd, valid_from=start, valid_to=end, source="genai-prices 1 input_mtok", **fields)


def held(*rows: PriceRow) -> list[PriceRow]:
    return [replace(item, id=number) for number, item in enumerate(rows, start=1)]


def apply(rows: Iterable[PriceRow], renewal: Renewal, *, at: datetime = LATER) -> list[PriceRow]:
    """The current rows after a renewal, as the warehouse has them."""
    gone = {item.id for item in renewal.superseded}
    kept = [item for item in rows if item.id not in gone]
    first = max((item.id for item in rows), default=0) + 1
    return kept + [replace(item, id=first + n, recorded_at=at) for n, item in enumerate(renewal.added)]


def usd(rows: Iterable[PriceRow], at: datetime, *, tokens: int = 10**6, tier: str = "") -> Decimal | str:
    """The price of a million tokens of input at a time, or why there is none."""
    usage = {**MILLION, "prompt_tokens": tokens, "total_tokens": tokens}
    book = PriceBook(rows)
    found = price(usage, provider="acme", model="m", at=at, book=book, service_tier=tier)
    return found.amount_usd * 10**6 / tokens if isinstance(found, Charge) else found.reason


def test_the_same_prices_change_nothing_whichever_version_and_key_they_come_from() -> None:
    old = held(copied("1"), copied("4", bucket="output_text"))
    new = [replace(item, id=0, source="genai-prices 2 other_mtok", recorded_at=LATER) for item in old]
    assert renew(old, new) == Renewal()


def test_a_later_price_is_added_from_its_day_and_the_row_before_stays() -> None:
    old = held(copied("1"))
    renewal = renew(old, [copied("1", end=JULY), copied("3", JULY)])
    assert [(item.usd_per_million, item.valid_from, item.valid_to) for item in renewal.added] == [
        (3, JULY, None)
    ]
    assert (renewal.superseded, renewal.spans) == ((), ((JULY, None),))
    now = apply(old, renewal)
    assert (usd(now, JULY - timedelta(microseconds=1)), usd(now, JULY)) == (1, 3)


def test_a_changed_price_without_a_date_takes_the_place_of_the_one_before() -> None:
    old = held(copied("1"))
    renewal = renew(old, [copied("3")])
    assert (renewal.superseded, renewal.spans) == ((old[0],), ((ALWAYS, None),))
    assert usd(apply(old, renewal), JUNE) == 3


def test_old_prices_that_the_library_forgot_stay() -> None:
    old = held(copied("5", end=JUNE), copied("2", JUNE))
    assert renew(old, [copied("2")]) == Renewal()

    changed = renew(old, [copied("1")])

    assert changed.superseded == (old[1],)
    assert changed.spans == ((JUNE, None),)
    now = apply(old, changed)
    assert (usd(now, JUNE - timedelta(days=1)), usd(now, JUNE)) == (5, 1)


def test_a_dated_price_speaks_of_all_its_time() -> None:
    old = held(copied("5", end=JULY), copied("2", JULY))
    renewal = renew(old, [copied("5", end=JUNE), copied("2", JUNE)])
    assert renewal.spans == ((JUNE, JULY),)
    now = apply(old, renewal)
    assert [usd(now, at) for at in (JUNE - timedelta(days=1), JUNE, JULY)] == [5, 2, 2]


def test_a_service_tier_and_a_bucket_that_the_library_names_no_more_keep_their_prices() -> None:
    old = held(copied("2"), copied("1", service_tier="batch"), copied("4", bucket="output_text"))
    assert renew(old, [copied("2")]) == Renewal()


def test_a_surcharge_for_long_input_ends_where_the_library_ends_it() -> None:
    old = held(copied("2"), copied("4", min_input_tokens=200_000))
    renewal = renew(old, [copied("2"), copied("4", end=JULY, min_input_tokens=200_000)])
    assert renewal.spans == ((JULY, None),)
    now = apply(old, renewal)
    assert [usd(now, at, tokens=300_000) for at in (JUNE, JULY)] == [4, 2]
    assert usd(now, JULY) == 2


def test_a_surcharge_that_is_gone_without_a_date_is_gone() -> None:
    old = held(copied("2"), copied("4", min_input_tokens=200_000))
    now = apply(old, renew(old, [copied("2")]))
    assert usd(now, JUNE, tokens=300_000) == 2


def test_what_a_removed_row_hid_does_not_come_back() -> None:
    old = held(
        copied("2"),
        copied("4", min_input_tokens=200_000),
        copied("6", JUNE, min_input_tokens=200_000, recorded_at=JULY),
    )
    new = [
        copied("2", end=AUGUST),
        copied("2", AUGUST),
        copied("4", end=JUNE, min_input_tokens=200_000),
        copied("6", JUNE, AUGUST, min_input_tokens=200_000),
    ]
    now = apply(old, renew(old, new))
    times = (JUNE - timedelta(days=1), JUNE, AUGUST)
    assert [usd(now, at, tokens=300_000) for at in times] == [4, 6, 2]


def test_hours_of_the_day_give_way_to_one_price_for_the_whole_day() -> None:
    night, rest = "standard@00:30-16:30", "standard@16:30-00:30"
    old = held(copied("1", service_tier=night), copied("2", service_tier=rest))
    now = apply(old, renew(old, [copied("3")]))
    assert [usd(now, JUNE + timedelta(hours=hour)) for hour in (1, 20)] == [3, 3]


DAYS = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 9)]
CHAIN = st.dictionaries(st.sampled_from(DAYS), st.sampled_from(["1", "2", "3"]), max_size=5)


def chain(first: str, steps: dict[datetime, str], *, floor: int) -> list[PriceRow]:
    """One chain of prices from always on, as the library has it."""
    starts = [(ALWAYS, first), *sorted(steps.items())]
    ends = [start for start, _ in starts[1:]]
    return [
        copied(amount, start, end, min_input_tokens=floor)
        for (start, amount), end in zip(starts, [*ends, None], strict=True)
    ]


def library(
    base: str, long: str, steps: dict[datetime, str], long_steps: dict[datetime, str]
) -> list[PriceRow]:
    """A model's input prices, with a surcharge for long input if `long` is a price."""
    return chain(base, steps, floor=0) + (chain(long, long_steps, floor=1000) if long else [])


LIBRARY = st.builds(library, st.sampled_from(["1", "2"]), st.sampled_from(["", "5"]), CHAIN, CHAIN)


@given(LIBRARY, LIBRARY, LIBRARY)
def test_any_sequence_of_libraries_ends_at_the_newest_where_it_is_dated(
    first: list[PriceRow], second: list[PriceRow], third: list[PriceRow]
) -> None:
    current = held(*first)
    for number, learnt in enumerate((second, third), start=1):
        before, renewal = current, renew(current, learnt)
        current = apply(before, renewal, at=LATER + timedelta(days=number))
        assert renew(current, learnt) == Renewal()
        dated = {edge for item in learnt for edge in (item.valid_from, item.valid_to) if edge} - {ALWAYS}
        for at in (ALWAYS, *DAYS):
            is_marked = any(start <= at and (end is None or at < end) for start, end in renewal.spans)
            for tokens in (500, 2000):
                now = usd(current, at, tokens=tokens)
                assert now in (usd(learnt, at, tokens=tokens), usd(before, at, tokens=tokens))
                assert is_marked or now == usd(before, at, tokens=tokens)
                if dated and at >= min(dated):
                    assert now == usd(learnt, at, tokens=tokens)
