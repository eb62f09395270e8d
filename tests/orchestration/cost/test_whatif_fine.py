"""Prices of any fineness: what-if adds up, to the last digit, what each single attempt would be charged."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg.rows import TupleRow

from evaluators.pricing.book import PriceBook
from evaluators.pricing.rows import PriceRow
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.cost.charging import charge_window
from orchestration.cost.price_book import import_prices
from orchestration.windows import Window
from reports.whatif import reading
from reports.whatif.candidates import Prices
from reports.whatif.classes import Edges
from reports.whatif.query import values_of
from reports.whatif.question import Candidate, Question, Terms, Traffic
from reports.whatif.reading import reprice, snapshot
from tests.conftest import fresh_database
from tests.orchestration.cost.test_whatif import HOUSE, NOON, TODAY, ask, charged, lines, row, seed, used
from tests.orchestration.seeding import DAY_START, rows

Connection = psycopg.Connection[TupleRow]
PICO = Decimal("1e-12")
# 0 to 12 places below a price that differs, and prices of which odd counts leave exactly half.
USD = st.one_of(
    st.builds(
        lambda digits, places: Decimal(digits).scaleb(-places), st.integers(0, 9_999), st.integers(0, 12)
    ),
    st.integers(0, 99_999).map(lambda halves: halves * Decimal("0.0000005")),
)


@pytest.fixture(scope="module")
def recorded(maintenance_url: DatabaseUrl, owner_url: DatabaseUrl, template: str) -> Iterator[Connection]:
    """Calls of a day, with and without cached and reasoning tokens, some of the same length."""
    shapes = [used(n, n // 7 + 1) for n in (1, 2, 3, 999, 1_000, 77_777)]
    shapes += [used(n, 40, cached=n // 3) for n in (3, 1_001, 40_003)]
    shapes += [used(50, n, cached=7, reasoning=n // 2) for n in (2, 333)]
    for url in fresh_database(maintenance_url, owner_url, template=template):
        with connect(url) as connection:
            for number, usage in enumerate(shapes):
                seed(connection, 3, seed=str(number), model="house", usage=usage, spacing=timedelta(hours=7))
            charged(connection, HOUSE)
            yield connection


def counted(connection: Connection) -> list[tuple[bool, tuple[int, ...]]]:
    """Of each call whether it was made after half past twelve, and its tokens."""
    found = rows(
        connection,
        "select started_at, input_uncached, cache_read, output_text, reasoning from cost.charges",
    )
    return [(at >= NOON, tuple(tokens)) for at, *tokens in found]


def one_by_one(
    calls: list[tuple[bool, tuple[int, ...]]], usd: tuple[Decimal, ...], *, later: Decimal
) -> Decimal:
    """Each call's tokens times price, rounded by itself; output costs `later` in the afternoon."""
    total = Decimal(0)
    for is_late, tokens in calls:
        prices = (usd[0], usd[1], later if is_late else usd[2], later if is_late else usd[2])
        amount = sum((n * each for n, each in zip(tokens, prices, strict=True)), Decimal(0))
        total += (amount / 1_000_000).quantize(PICO, rounding=ROUND_HALF_EVEN)
    return total


@settings(max_examples=60, deadline=None)
@given(usd=st.tuples(USD, USD, USD), later=USD, is_cached=st.booleans())
@example(usd=(Decimal("0.0000005"),) * 3, later=Decimal("0.0000005"), is_cached=True)
@example(usd=(Decimal("9999.999999999999"),) * 3, later=Decimal("0.000000000001"), is_cached=False)
def test_any_price_comes_out_as_its_single_calls_would(
    recorded: Connection, usd: tuple[Decimal, ...], later: Decimal, is_cached: bool
) -> None:
    given: list[PriceRow] = [
        row("any", "input_uncached", str(usd[0]), id=1),
        row("any", "cache_read", str(usd[1]), id=2),
        row("any", "output_text", str(usd[2]), id=3, valid_to=NOON),
        row("any", "output_text", str(later), id=4, valid_from=NOON),
    ]
    question = Question(
        traffic=Traffic(first=TODAY, last=TODAY),
        candidates=(Candidate(provider="", model="any"),),
        terms=Terms(is_cached=is_cached),
    )
    with snapshot(recorded):
        totals = reprice(recorded, question, prices=Prices(tuple(given), PriceBook(given)))
    [line] = totals.lines.values()

    read_anew = (usd[0], usd[1] if is_cached else usd[0], usd[2])
    assert line.n_compared == 33
    assert line.whatif_usd == one_by_one(counted(recorded), read_anew, later=later)


def test_a_day_is_read_again_only_for_prices_that_the_day_before_did_not_have(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = DAY_START + timedelta(days=3)
    fine = [
        row("fine", "output_text", "4"),
        row("fine", "input_uncached", "0.1234567", valid_to=changes),
        row("fine", "input_uncached", "0.7654321", valid_from=changes),
    ]
    import_prices(connection, [*HOUSE, *fine], source="test")
    days = [DAY_START + timedelta(days=n) for n in range(4)]
    for start in days:
        seed(connection, 5, start=start, model="house", usage=used(7, 1))
    charge_window(connection, [Window(start, start + timedelta(days=1)) for start in days])
    read: list[date] = []

    def noted(question: Question, day: date, *, edges: Edges) -> dict[str, Any]:
        read.append(day)
        return values_of(question, day, edges=edges)

    monkeypatch.setattr(reading, "values_of", noted)
    found = lines(ask(connection, "fine", last=days[-1].date()))["fine"]

    assert [read.count(start.date()) for start in days] == [2, 1, 1, 2]
    # 0.0000048641969 and 0.0000093580247 USD a call.
    assert found.whatif_usd == 15 * Decimal("0.000004864197") + 5 * Decimal("0.000009358025")
