"""Charging that is killed, prices that are imported twice at once: nothing lost, nothing twice."""

import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from evaluators.pricing.rows import PriceRow
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.cost.charging import charge_window
from orchestration.cost.price_book import PriceImport, import_prices
from tests.orchestration.seeding import DAY, add_calls, count, rows

Connection = psycopg.Connection[TupleRow]

REPOSITORY = Path(__file__).resolve().parents[3]
CHILD = """
import signal, sys
from ingest.database.connect import connect
from ingest.database.url import parse_url
from orchestration.cost import charging
from tests.orchestration.seeding import DAY

def stop_before_the_third_commit(*given, **named):
    chunks.append(1)
    if len(chunks) == 3:
        print("reached", flush=True)
        signal.pause()
    return mark_hours(*given, **named)

chunks, mark_hours = [], charging.mark_hours
charging.mark_hours = stop_before_the_third_commit
with connect(parse_url(sys.argv[1])) as connection:
    charging.charge_window(connection, [DAY], chunk_calls=50)
"""


def test_a_killed_charging_run_keeps_its_chunks_and_the_next_does_only_the_rest(
    connection: Connection, warehouse: DatabaseUrl
) -> None:
    with connection.transaction():
        add_calls(connection, 300)
    command = [sys.executable, "-c", CHILD, warehouse.libpq()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as child:
        assert child.stdout
        assert child.stdout.readline() == "reached\n"
        child.send_signal(signal.SIGKILL)
    assert count(connection, "cost.charges") == 100

    result = charge_window(connection, [DAY])

    assert (result.n_priced, result.n_restated) == (200, 0)
    assert count(connection, "cost.charges") == 300
    assert count(connection, "cost.charge_history") == 0
    assert rows(connection, "select sum(amount_usd) from cost.charges") == [(300 * Decimal("0.000045"),)]


def test_a_price_file_imported_twice_at_once_is_in_the_book_once(
    connection: Connection, warehouse: DatabaseUrl
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    prices = [
        PriceRow(
            provider="openai",
            model=f"model-{number}",
            bucket="output_text",
            usd_per_million=Decimal(number),
            valid_from=at,
            recorded_at=at,
            source="invoice",
        )
        for number in range(200)
    ]
    together, done = threading.Barrier(2), list[PriceImport]()

    def run() -> None:
        with connect(warehouse) as own:
            together.wait(30)
            done.append(import_prices(own, prices, source="invoice"))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted((each.n_added, each.n_unchanged, each.n_superseded) for each in done) == [
        (0, 200, 0),
        (200, 0, 0),
    ]
    assert count(connection, "cost.prices") == 200
