"""A newer genai-prices: what it has learned is copied once, restates what it is about, and nothing else."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import psycopg
import pytest
from genai_prices.data_snapshot import DataSnapshot, get_snapshot, set_custom_snapshot
from genai_prices.types import ConditionalPrice, ModelPrice, StartDateConstraint, Tier, TieredPrices
from psycopg.rows import TupleRow

from evaluators.pricing import genai
from evaluators.pricing.book import price
from evaluators.pricing.rows import Charge, PriceRow
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.cost.charging import charge_window
from orchestration.cost.price_book import CHARGES, book_state, ensure_snapshots, import_prices, load_book
from orchestration.cost.price_renewal import renew_snapshots
from orchestration.refresh import light_refresh
from orchestration.transactions import writing
from orchestration.windows import Window, day_window
from tests.orchestration.seeding import DAY, DAY_START, add_calls, count, rows

Connection = psycopg.Connection[TupleRow]
Install = Callable[..., None]
HOUR = timedelta(hours=1)
DAY_BEFORE = day_window(date(2026, 10, 13))
BOTH_DAYS = Window(DAY_BEFORE.start, DAY.end)
MODEL = ("openai", "gpt-4o-mini")
CHANGE = date(2026, 10, 14)
MARKED = "select distinct hour from raw.dirty_hours where stage = 'prices' order by hour"
SINCE = "select amount_usd from cost.charges where started_at >= '2026-10-14Z'"
BEFORE = "select * from cost.charges where started_at < '2026-10-14Z' order by started_at"
BOOK = "select * from cost.prices order by id"
LONG = {"prompt_tokens": 300_000, "completion_tokens": 0, "total_tokens": 300_000}


def plain(usd: str) -> ModelPrice:
    """$`usd` per million tokens of input, $0.60 of output."""
    return ModelPrice(input_mtok=Decimal(usd), output_mtok=Decimal("0.6"))


OLD, NEW = plain("0.15"), plain("0.30")
FEE = ModelPrice(requests_kcount=Decimal(5))
CHANGED = [ConditionalPrice(prices=OLD), ConditionalPrice(StartDateConstraint(CHANGE), prices=NEW)]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a library of a version in which gpt-4o-mini has these prices; None: it knows no model."""

    def put(version: str, prices: ModelPrice | list[ConditionalPrice] | None) -> None:
        set_custom_snapshot(None)
        openai = next(item for item in get_snapshot().providers if item.id == "openai")
        model = next(item for item in openai.models if item.id == "gpt-4o-mini")
        models = [] if prices is None else [replace(model, prices=prices, price_variants=None)]
        provider = replace(openai, models=models, fallback_model_providers=None)
        set_custom_snapshot(DataSnapshot(providers=[provider], from_auto_update=False))
        monkeypatch.setattr(genai, "library_version", lambda: version)

    yield put
    set_custom_snapshot(None)


@pytest.fixture
def charged(connection: Connection, install: Install) -> Connection:
    """Two calls, at 00:00 and 12:00, of each of two days, charged at the old library's prices."""
    install("0.2.3", OLD)
    with connection.transaction():
        add_calls(connection, 2, start=DAY_BEFORE.start, spacing=12 * HOUR)
        add_calls(connection, 2, start=DAY.start, spacing=12 * HOUR)
    charge_window(connection, [BOTH_DAYS])
    with connection.transaction():
        connection.execute("delete from raw.dirty_hours")
    return connection


def test_a_later_price_restates_the_charges_since_and_leaves_those_before(
    charged: Connection, install: Install
) -> None:
    before = rows(charged, BEFORE)
    old_book = rows(charged, BOOK)
    install("0.2.10", CHANGED)

    added = renew_snapshots(charged)

    assert rows(charged, MARKED) == [(DAY.start,), (DAY.start + 12 * HOUR,)]
    assert rows(charged, "select * from cost.prices where price_version <= 2 order by id") == old_book
    learnt = rows(
        charged,
        "select bucket, usd_per_million, valid_from, source from cost.prices"
        " where price_version > 2 and bucket = 'input_uncached'",
    )
    assert learnt == [("input_uncached", Decimal("0.30"), DAY.start, "genai-prices 0.2.10 input_mtok")]
    assert added == count(charged, "cost.prices", where="price_version > 2")

    repriced = charge_window(charged, [BOTH_DAYS], reprice=True)

    assert (repriced.n_priced, repriced.n_restated) == (2, 2)
    assert (
        rows(charged, "select started_at >= '2026-10-14Z', reason, amount_usd from cost.charge_history")
        == [(True, "repriced", Decimal("0.000045"))] * 2
    )
    assert rows(
        charged, "select distinct amount_usd from cost.charges where started_at >= '2026-10-14Z'"
    ) == [(Decimal("0.00006"),)]
    assert rows(charged, BEFORE) == before


def test_the_next_refreshes_notice_a_newer_library_and_restate(charged: Connection, install: Install) -> None:
    install("0.2.4", CHANGED)
    with charged.transaction():
        add_calls(charged, 1, start=DAY.start + 20 * HOUR, seed="new")

    results = [light_refresh(charged, run_dbt=lambda _: None) for _ in range(3)]

    assert [result.repriced.n_restated if result.repriced else None for result in results] == [0, 2, None]
    amounts = rows(
        charged, "select amount_usd from cost.charges where started_at >= '2026-10-14Z' order by 1"
    )
    assert amounts == [(Decimal("0.00006"),)] * 3
    assert count(charged, "cost.charge_history") == 2
    assert count(charged, "raw.dirty_hours") == 0


def test_a_changed_price_without_a_date_supersedes_and_the_old_book_can_be_replayed(
    charged: Connection, install: Install
) -> None:
    known_then = rows(charged, "select clock_timestamp()")[0][0]
    install("0.2.4", NEW)

    renew_snapshots(charged)

    assert count(charged, "cost.prices", where="superseded_at is not null") > 0
    assert len(rows(charged, MARKED)) == 4
    amounts: list[Decimal] = []
    for known_at in (None, known_then):
        usage = {"prompt_tokens": 10**6, "completion_tokens": 0, "total_tokens": 10**6}
        book = load_book(charged, known_at=known_at)
        charge = price(usage, provider=MODEL[0], model=MODEL[1], at=DAY_START, book=book)
        assert isinstance(charge, Charge)
        amounts.append(charge.amount_usd)
    assert amounts == [Decimal("0.3"), Decimal("0.15")]


def test_a_newer_version_with_the_same_prices_writes_nothing_and_waits_for_no_charge(
    charged: Connection, warehouse: DatabaseUrl, install: Install
) -> None:
    before = rows(charged, BOOK)
    install("0.3.0", OLD)

    with connect(warehouse) as other, writing(other, relation=CHARGES):
        other.execute("lock table cost.charges, cost.prices in exclusive mode")
        with charged.transaction():
            charged.execute("set lock_timeout = '5s'")
        assert renew_snapshots(charged) == 0

    assert rows(charged, BOOK) == before
    assert count(charged, "raw.dirty_hours") == 0


def test_what_was_learned_is_copied_once(charged: Connection, install: Install) -> None:
    install("0.2.4", CHANGED)
    renew_snapshots(charged)
    before = rows(charged, BOOK)
    marks = count(charged, "raw.dirty_hours")

    for version in ("0.2.4", "0.2.5"):
        install(version, CHANGED)
        assert renew_snapshots(charged) == 0

    assert rows(charged, BOOK) == before
    assert count(charged, "raw.dirty_hours") == marks


def test_two_at_once_copy_what_was_learned_once(
    charged: Connection, warehouse: DatabaseUrl, install: Install
) -> None:
    install("0.2.4", CHANGED)
    together = threading.Barrier(2)
    added: list[int] = []

    def run() -> None:
        with connect(warehouse) as own:
            together.wait(30)
            added.append(renew_snapshots(own))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(added)[0] == 0
    assert sum(added) == count(charged, "cost.prices", where="price_version > 2") > 0


@pytest.mark.parametrize(
    ("version", "prices"),
    [
        ("0.2.2", CHANGED),
        ("0.2.3", CHANGED),
        ("0.2.4", None),
        ("0.2.4", ModelPrice(requests_kcount=Decimal(5))),
    ],
    ids=["older", "the same", "forgotten", "refused"],
)
def test_a_library_that_knows_no_better_changes_nothing(
    charged: Connection, install: Install, version: str, prices: ModelPrice | list[ConditionalPrice] | None
) -> None:
    before = rows(charged, BOOK)
    install(version, prices)

    assert renew_snapshots(charged) == 0

    assert rows(charged, BOOK) == before
    assert count(charged, "raw.dirty_hours") == 0


def test_an_imported_price_still_wins_over_a_newer_library(charged: Connection, install: Install) -> None:
    given = [
        PriceRow(
            provider="openai",
            model="gpt-4o-mini",
            bucket=bucket,
            usd_per_million=Decimal(7),
            valid_from=DAY_BEFORE.start,
            recorded_at=DAY_BEFORE.start,
            source="contract",
        )
        for bucket in ("input_uncached", "output_text")
    ]
    import_prices(charged, given, source="contract")
    charge_window(charged, [BOTH_DAYS], reprice=True)
    restated = count(charged, "cost.charge_history")
    install("0.2.4", NEW)

    charge_window(charged, [BOTH_DAYS], reprice=True)

    assert rows(charged, "select distinct amount_usd from cost.charges") == [(Decimal("0.00105"),)]
    assert count(charged, "cost.charge_history") == restated
    assert count(charged, "cost.prices", where="source = 'contract' and superseded_at is null") == 2


def test_a_surcharge_that_is_only_ended_is_seen_by_a_book_in_memory(
    connection: Connection, install: Install
) -> None:
    long = TieredPrices(base=Decimal(1), tiers=[Tier(start=200_000, price=Decimal(2))])
    install("0.2.3", ModelPrice(input_mtok=long))
    ensure_snapshots(connection, [MODEL])
    before = book_state(connection)
    install("0.2.4", ModelPrice(input_mtok=Decimal(1)))

    assert renew_snapshots(connection) == 0

    assert book_state(connection) != before
    book = load_book(connection)
    charge = price(LONG, provider=MODEL[0], model=MODEL[1], at=DAY_START, book=book)
    assert isinstance(charge, Charge)
    assert charge.amount_usd == Decimal("0.3")


def test_an_interruption_in_the_middle_leaves_neither_rows_nor_marks(
    charged: Connection, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(charged, BOOK)
    install("0.2.4", CHANGED)

    def die(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("orchestration.cost.price_renewal.mark_charges", die)
        renew_snapshots(charged)
    assert rows(charged, BOOK) == before

    assert renew_snapshots(charged) > 0
    assert len(rows(charged, MARKED)) == 2
