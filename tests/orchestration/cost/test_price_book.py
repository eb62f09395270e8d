"""The book in the warehouse: bitemporal, idempotent, and honest about what a correction touches."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from evaluators.pricing.book import price
from evaluators.pricing.files import read_price_file
from evaluators.pricing.rows import Charge, PriceRow
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.cost.charging import charge_window
from orchestration.cost.price_book import (
    PriceImport,
    book_version,
    ensure_snapshots,
    import_prices,
    load_book,
)
from tests.orchestration.seeding import DAY, DAY_START, add_calls, count, rows

Connection = psycopg.Connection[TupleRow]
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
USAGE = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}


def row(usd: str, *, model: str = "house-model", **changes: Any) -> PriceRow:
    given: dict[str, Any] = {
        "provider": None,
        "bucket": "input_uncached",
        "valid_from": JANUARY,
        "recorded_at": JANUARY,
        "source": "test",
        **changes,
    }
    return PriceRow(model=model, usd_per_million=Decimal(usd), **given)


def test_the_same_import_again_changes_nothing(connection: Connection) -> None:
    given = [row("1"), row("4", bucket="output_text"), row("2", model="house-", match="prefix")]
    first = import_prices(connection, given, source="file")
    before = rows(connection, "select * from cost.prices order by id")

    again = import_prices(connection, given, source="file")

    assert first == PriceImport(3, 0, 0, first.price_version, 0)
    assert again == PriceImport(0, 3, 0, first.price_version, 0)
    assert rows(connection, "select * from cost.prices order by id") == before


def test_a_correction_supersedes_and_what_was_known_before_can_be_replayed(connection: Connection) -> None:
    import_prices(connection, [row("1")], source="file")
    known_then = rows(connection, "select clock_timestamp()")[0][0]

    corrected = import_prices(connection, [row("3")], source="file")

    assert (corrected.n_added, corrected.n_superseded) == (1, 1)
    assert rows(connection, "select usd_per_million, superseded_at is null from cost.prices order by id") == [
        (Decimal(1), False),
        (Decimal(3), True),
    ]
    amounts = []
    for known_at in (None, known_then):
        book = load_book(connection, known_at=known_at)
        charge = price(USAGE, provider="x", model="house-model", at=DAY_START, book=book)
        assert isinstance(charge, Charge)
        amounts.append(charge.amount_usd)
    assert amounts == [Decimal(3), Decimal(1)]


def test_a_new_period_leaves_the_old_one(connection: Connection) -> None:
    import_prices(connection, [row("1")], source="file")

    result = import_prices(connection, [row("2", valid_from=DAY_START)], source="file")

    assert (result.n_added, result.n_superseded) == (1, 0)
    book = load_book(connection)
    for at, usd in ((DAY_START - timedelta(seconds=1), 1), (DAY_START, 2)):
        charge = price(USAGE, provider="x", model="house-model", at=at, book=book)
        assert isinstance(charge, Charge)
        assert charge.amount_usd == usd


def test_a_correction_marks_the_hours_of_the_charges_it_is_about(connection: Connection) -> None:
    with connection.transaction():
        add_calls(connection, 24, spacing=timedelta(hours=1), model="house-model")
        add_calls(connection, 3, seed="b", spacing=timedelta(hours=5), model="another")
    charge_window(connection, [DAY])
    noon = DAY_START + timedelta(hours=12)

    result = import_prices(
        connection, [row("1", valid_from=noon, valid_to=noon + timedelta(hours=2))], source="file"
    )

    marked = rows(connection, "select hour from raw.dirty_hours where stage = 'prices' order by hour")
    assert [hour for (hour,) in marked] == [noon, noon + timedelta(hours=1)]
    assert result.n_hours_marked == 2


def test_a_models_snapshot_is_taken_once_even_by_two_at_once(
    connection: Connection, warehouse: DatabaseUrl
) -> None:
    models = {("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), ("openai", "nobody-knows-this")}
    together = threading.Barrier(2)
    added: list[int] = []

    def run() -> None:
        with connect(warehouse) as own:
            together.wait(30)
            added.append(ensure_snapshots(own, models))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(added)[0] == 0
    assert sum(added) == count(connection, "cost.prices") > 10
    version = book_version(connection)
    assert ensure_snapshots(connection, models) == 0
    assert book_version(connection) == version


def test_a_users_price_wins_over_the_snapshot_and_does_not_supersede_it(connection: Connection) -> None:
    ensure_snapshots(connection, {("openai", "gpt-4o")})

    result = import_prices(connection, [row("7", model="gpt-4o", provider="openai")], source="file")

    assert result.n_superseded == 0
    charge = price(USAGE, provider="openai", model="gpt-4o", at=DAY_START, book=load_book(connection))
    assert isinstance(charge, Charge)
    assert charge.amount_usd == 7


def test_a_users_file_may_have_the_name_of_the_library(connection: Connection) -> None:
    ensure_snapshots(connection, {("openai", "gpt-4o")})
    given = [row("7", model="gpt-4o", provider="openai", source="")]

    imports = [import_prices(connection, given, source="genai-prices-corrected.csv") for _ in range(2)]

    assert [done.n_added for done in imports] == [1, 0]
    charge = price(USAGE, provider="openai", model="gpt-4o", at=DAY_START, book=load_book(connection))
    assert isinstance(charge, Charge)
    assert charge.amount_usd == 7


def test_a_real_price_history_imports_twice_as_once(connection: Connection, shared_data: Path) -> None:
    file = read_price_file(shared_data / "price_history.csv", recorded_at=datetime.now(UTC))

    first = import_prices(connection, file.rows, source="price_history.csv")
    again = import_prices(connection, file.rows, source="price_history.csv")

    assert first.n_added > 1_000
    assert (again.n_added, again.n_superseded, again.n_unchanged) == (0, 0, first.n_added)
