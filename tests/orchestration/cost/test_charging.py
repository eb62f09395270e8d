"""Charges over windows: added once, restated never silently, priced when the book learns."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import psycopg
import pytest
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from evaluators.pricing.book import PriceBook
from evaluators.pricing.rows import PriceRow
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from orchestration.cost import charging, charging_queries
from orchestration.cost.charging import NO_CALL, charge_attempts, charge_corrected, charge_window
from orchestration.cost.price_book import CHARGED_MODELS, import_prices
from orchestration.cost.price_rows import MARK_AFFECTED
from orchestration.dirty import snapshot
from orchestration.windows import Window, hour_window
from tests.orchestration.seeding import DAY, DAY_START, USAGE, add_calls, count, plan_nodes, rows

Connection = psycopg.Connection[TupleRow]

CHARGES = "select * from cost.charges order by started_at, call_id, attempt"


def seed(connection: Connection, n: int, **changes: Any) -> None:
    with connection.transaction():
        add_calls(connection, n, **changes)


def prices(model: str, usd: str, **changes: Any) -> list[PriceRow]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    given: dict[str, Any] = {
        "provider": None,
        "valid_from": at,
        "recorded_at": at,
        "source": "test",
        **changes,
    }
    buckets = ("input_uncached", "output_text")
    return [PriceRow(model=model, bucket=name, usd_per_million=Decimal(usd), **given) for name in buckets]


def test_every_call_is_charged_at_the_price_of_its_time(connection: Connection) -> None:
    seed(connection, 4)

    result = charge_window(connection, [DAY])

    assert (result.n_priced, result.n_unpriced, result.n_restated) == (4, 0, 0)
    # gpt-4o-mini: $0.15 and $0.60 per million tokens.
    assert rows(
        connection, "select distinct attempt, input_uncached, output_text, amount_usd from cost.charges"
    ) == [(0, 100, 50, Decimal("0.000045"))]
    used = rows(
        connection,
        "select distinct bucket from cost.prices"
        " inner join cost.charges on id = any (price_row_ids) order by 1",
    )
    assert used == [("input_uncached",), ("output_text",)]


def test_a_second_run_changes_nothing_and_neither_does_repricing(connection: Connection) -> None:
    seed(connection, 30, spacing=timedelta(minutes=20))
    seed(connection, 5, seed="b", model="nobody-knows-this-model")
    seed(connection, 5, seed="c", usage=None, status="error")
    charge_window(connection, [DAY])
    before = rows(connection, CHARGES)
    marks = count(connection, "raw.dirty_hours")

    for reprice in (False, True):
        again = charge_window(connection, [DAY], reprice=reprice, chunk_calls=7)
        assert (again.n_priced, again.n_unpriced, again.n_restated) == (0, 0, 0)

    assert rows(connection, CHARGES) == before
    assert count(connection, "raw.dirty_hours") == marks
    assert count(connection, "cost.charge_history") == 0


def test_unknown_is_unpriced_with_a_reason_and_never_free(connection: Connection) -> None:
    seed(connection, 3, model="nobody-knows-this-model")
    seed(connection, 2, seed="b", usage=None, status="error")
    seed(connection, 1, seed="c", usage={"prompt_tokens": "many"})

    result = charge_window(connection, [DAY])

    assert result.by_reason == {"unknown_model": 3, "no_usage": 2, "malformed_usage": 1}
    assert result.n_unpriced == 6
    assert count(connection, "cost.charges", where="amount_usd is not null") == 0


@pytest.mark.parametrize(
    ("source", "tags", "outcome"),
    [
        ("proxy", {"lqo.service_tier": "flex"}, Decimal("0.000075")),
        ("proxy", {"lqo.service_tier": "default"}, Decimal("0.00015")),
        ("proxy", {"service_tier": "flex", "openai.service_tier": "flex"}, Decimal("0.00015")),
        ("proxy", {"lqo.service_tier": "priority"}, "unpriced_service_tier:priority"),
        ("proxy", {"lqo.service_tier": "p" * 5_000}, "unpriced_service_tier:" + "p" * 40),
        ("import", {"service_tier": "flex"}, Decimal("0.000075")),
        ("import", {"openai.service_tier": "flex"}, Decimal("0.000075")),
        ("import", {"service_tier": "flex", "lqo.service_tier": "default"}, Decimal("0.00015")),
        ("import", {"service_tier": "Batch", "lqo.service_tier": "default"}, Decimal("0.00003")),
        ("import", {"service_tier": {"type": "flex"}}, "unpriced_service_tier:_type_flex_"),
    ],
)
def test_the_tier_of_the_answer_decides_and_no_client_chooses_its_price(
    connection: Connection, source: str, tags: dict[str, object], outcome: Decimal | str
) -> None:
    seed(connection, 1, model="house")
    with connection.transaction():
        connection.execute("update raw.llm_calls set source = %s, tags = %s", (source, Jsonb(tags)))
    tiers = [*prices("house", "1"), *prices("house", "0.5", service_tier="flex")]
    import_prices(connection, [*tiers, *prices("house", "0.2", service_tier="batch")], source="file")

    charge_window(connection, [DAY])

    [(amount, reason)] = rows(connection, "select amount_usd, unpriced_reason from cost.charges")
    assert (reason if amount is None else amount) == outcome


def test_a_usage_that_is_no_object_is_malformed_and_not_none(connection: Connection) -> None:
    seed(connection, 2, usage=None)
    with connection.transaction():
        connection.execute(
            "update raw.llm_calls set usage_raw = '[1, 2]'"
            " where call_id = (select min(call_id::text)::uuid from raw.llm_calls)"
        )

    assert charge_window(connection, [DAY]).by_reason == {"malformed_usage": 1, "no_usage": 1}


def test_every_attempt_has_its_own_charge(connection: Connection) -> None:
    failed = {"provider": "openai", "model": "gpt-4o", "status": 500}
    paid = {
        "provider": "openai",
        "model": "gpt-4o",
        "status": 200,
        "usage": {**USAGE, "completion_tokens": 10, "total_tokens": 110},
    }
    last = {"provider": "openai", "model": "gpt-4o-mini", "status": 200}
    seed(connection, 2, attempts=[failed, paid, last])

    result = charge_window(connection, [DAY])

    assert (result.n_priced, result.by_reason) == (4, {"no_usage": 2})
    charges = rows(connection, "select distinct attempt, model, output_text from cost.charges order by 1")
    assert charges == [(0, "gpt-4o", None), (1, "gpt-4o", 10), (2, "gpt-4o-mini", 50)]


def test_a_row_for_the_quarantine_does_not_stop_the_charges_of_others(connection: Connection) -> None:
    seed(connection, 3)
    with connection.transaction():
        connection.execute(
            """update raw.llm_calls set attempts = '{}', tags = '[]', provider = '', requested_model = ''"""
            " where started_at = %s",
            (DAY_START,),
        )

    result = charge_window(connection, [DAY])

    assert (result.n_priced, result.by_reason) == (2, {"unknown_model": 1})


def test_judges_are_paid_for_too(connection: Connection) -> None:
    seed(connection, 2, purpose="judge")

    assert charge_window(connection, [DAY]).n_priced == 2


def test_a_corrected_price_restates_with_the_old_charge_kept(connection: Connection) -> None:
    seed(connection, 3)
    seed(connection, 2, seed="b", model="gpt-4o")
    import_prices(connection, prices("gpt-4o-mini", "1"), source="first")
    charge_window(connection, [DAY])
    old = rows(
        connection,
        "select call_id, amount_usd, price_row_ids, charged_at from cost.charges"
        " where model = 'gpt-4o-mini' order by 1",
    )
    import_prices(connection, prices("gpt-4o-mini", "2"), source="second")

    plain = charge_window(connection, [DAY])
    repriced = charge_window(connection, [DAY], reprice=True)

    assert plain.n_priced == 0
    assert (repriced.n_priced, repriced.n_restated) == (3, 3)
    history = "select call_id, amount_usd, price_row_ids, charged_at from cost.charge_history order by 1"
    assert rows(connection, history) == old
    assert rows(connection, "select distinct reason from cost.charge_history") == [("repriced",)]
    new = rows(connection, "select distinct amount_usd from cost.charges where model = 'gpt-4o-mini'")
    assert new == [(Decimal("0.0003"),)]
    pairs = rows(
        connection,
        "select distinct charges.xmin::text = charge_history.xmin::text from cost.charges"
        " inner join cost.charge_history using (started_at, call_id, attempt)",
    )
    assert pairs == [(True,)]


def test_what_a_newer_book_can_price_is_priced_by_a_plain_run(connection: Connection) -> None:
    seed(connection, 3, model="house-model")
    seed(connection, 2, seed="b", model="other-model")
    seed(connection, 2, seed="c", usage=None, model="house-model")
    charge_window(connection, [DAY])
    import_prices(connection, prices("house-model", "1"), source="ours")

    result = charge_window(connection, [DAY])

    assert (result.n_priced, result.n_unpriced, result.n_restated) == (3, 0, 3)
    left = rows(
        connection, "select model, unpriced_reason, count(*) from cost.charges group by 1, 2 order by 1, 2"
    )
    assert left == [
        ("house-model", "no_usage", 2),
        ("house-model", None, 3),
        ("other-model", "unknown_model", 2),
    ]
    assert rows(connection, "select distinct reason from cost.charge_history") == [("priced_later",)]


def forget_price(connection: Connection) -> None:
    """Charges and book as a library left them that did not know the model yet."""
    with connection.transaction():
        connection.execute(
            "update cost.charges"
            " set amount_usd = null, unpriced_reason = 'unknown_model', price_row_ids = '{}'"
        )
        connection.execute("delete from cost.prices")
        connection.execute("delete from raw.dirty_hours")


def test_what_a_newer_library_can_price_is_priced_by_a_plain_run(connection: Connection) -> None:
    seed(connection, 3)
    charge_window(connection, [DAY])
    forget_price(connection)

    result = charge_window(connection, [DAY])

    assert (result.n_priced, result.n_restated) == (3, 3)
    assert rows(connection, "select distinct reason from cost.charge_history") == [("priced_later",)]
    assert charge_window(connection, [DAY]).n_priced == 0


def test_new_calls_of_a_model_that_has_become_known_mark_its_unpriced_hours(connection: Connection) -> None:
    seed(connection, 2, spacing=timedelta(hours=5))
    seed(connection, 1, seed="b", start=DAY_START + timedelta(hours=2), model="nobody-knows-this-model")
    charge_window(connection, [DAY])
    forget_price(connection)
    later = DAY_START + timedelta(days=40)
    seed(connection, 1, seed="c", start=later)

    charge_window(connection, [hour_window(later)])

    marked = rows(connection, "select hour from raw.dirty_hours where stage = 'prices' order by 1")
    assert [hour for (hour,) in marked] == [DAY_START, DAY_START + timedelta(hours=5)]


def test_what_a_newer_book_still_cannot_price_is_asked_once(connection: Connection) -> None:
    seed(connection, 3, model="house-model")
    charge_window(connection, [DAY])
    later = prices("house-model", "1", valid_from=datetime(2026, 11, 1, tzinfo=UTC))
    import_prices(connection, later, source="ours")

    asked = [charge_window(connection, [DAY]).n_unpriced for _ in range(2)]

    assert asked == [3, 0]
    assert rows(connection, "select distinct unpriced_reason from cost.charges") == [("unpriced_date",)]


def test_a_call_whose_end_came_later_is_charged_again(connection: Connection) -> None:
    seed(connection, 3, status="interrupted", usage=None)
    charge_window(connection, [DAY])
    with connection.transaction():
        connection.execute(
            "update raw.llm_calls set status = 'ok', landed_at = landed_at - interval '1 hour',"
            """ usage = '{"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}'"""
        )

    result = charge_window(connection, [DAY])

    assert (result.n_priced, result.n_restated) == (3, 3)
    assert rows(connection, "select distinct reason, unpriced_reason from cost.charge_history") == [
        ("call_replaced", "no_usage")
    ]
    assert charge_window(connection, [DAY]).n_priced == 0


def test_an_attempt_that_a_replaced_call_no_longer_has_goes_to_history(connection: Connection) -> None:
    attempts: list[dict[str, object]] = [{"provider": "openai", "model": "gpt-4o", "usage": USAGE}] * 2
    seed(connection, 1, status="interrupted", attempts=attempts)
    charge_window(connection, [DAY])
    with connection.transaction():
        connection.execute("update raw.llm_calls set status = 'ok', attempts = attempts - 1")

    charge_window(connection, [DAY])

    assert rows(connection, "select attempt from cost.charges") == [(0,)]
    assert rows(connection, "select attempt, reason from cost.charge_history") == [(1, "call_replaced")]


def test_two_runs_at_once_make_one_set(connection: Connection, warehouse: DatabaseUrl) -> None:
    seed(connection, 500)
    written: list[int] = []
    together = threading.Barrier(2)

    def run() -> None:
        with connect(warehouse) as own:
            together.wait(30)
            written.append(charge_window(own, [DAY], chunk_calls=40).n_priced)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sum(written) == count(connection, "cost.charges") == 500


def test_touched_hours_are_marked(connection: Connection) -> None:
    seed(connection, 2, spacing=timedelta(hours=3))

    result = charge_window(connection, [DAY])

    marked = rows(connection, "select hour from raw.dirty_hours where stage = 'charges' order by 1")
    assert [hour for (hour,) in marked] == sorted(result.hours) == [DAY_START, DAY_START + timedelta(hours=3)]


@pytest.fixture
def months_of_calls(connection: Connection) -> Callable[..., list[dict[str, Any]]]:
    """Plans of a query for one hour of a full month between two others."""
    for month in (9, 10, 11):
        start = DAY_START.replace(month=month, day=1)
        seed(connection, 4_000, start=start, spacing=timedelta(minutes=10), seed=str(month))
        seed(connection, 9, start=start, spacing=timedelta(days=3), seed=f"{month} rare", model="rare")
        charge_window(connection, [Window(start, start + timedelta(days=28))])
    with connection.transaction():
        connection.execute("analyze raw.llm_calls, cost.charges")
    window = hour_window(DAY_START)
    params: dict[str, object] = {"start": window.start, "end": window.end, "after": NO_CALL, "limit": 20_000}
    params |= {"book_version": 9, "providers": ["openai"], "models": ["gpt-4o-mini"]}
    params |= {"froms": [window.start], "tos": [None], "changes": [datetime.now(UTC)], "since": window.start}
    params |= {"from": window.start, "to": window.end}
    return lambda query, **given: plan_nodes(connection, query, params | given)


QUERIES = (
    charging_queries.NEW_CALLS,
    charging_queries.UNSETTLED_CALLS,
    charging_queries.UNPRICED_MODELS,
    charging_queries.UNKNOWN_MODELS,
    charging_queries.ALL_CALLS,
    charging_queries.TOUCHED_MODELS,
    charging_queries.TOUCHED_DAYS,
    charging_queries.CORRECTED_CALLS,
    CHARGED_MODELS,
    MARK_AFFECTED,
)


def test_no_plan_leaves_the_months_of_the_window_or_scans_them(
    months_of_calls: Callable[..., list[dict[str, Any]]],
) -> None:
    for query in QUERIES:
        nodes = months_of_calls(query)
        relations = {node["Relation Name"] for node in nodes if "Relation Name" in node}
        assert relations
        assert relations <= {"llm_calls_y2026m10", "charges_y2026m10", "prices", "dirty_hours"}
        scanned = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
        assert scanned <= {"prices"}
    month = DAY_START.replace(day=1)
    for query in (charging_queries.TOUCHED_DAYS, charging_queries.CORRECTED_CALLS, MARK_AFFECTED):
        whole = {"start": month, "from": month, "end": month + timedelta(days=28)}
        nodes = months_of_calls(query, **whole, to=None, models=["rare"])
        used = {node["Index Name"] for node in nodes if node.get("Relation Name", "").startswith("charges")}
        assert {name.removeprefix("charges_y2026m")[2:] for name in used} == {
            "_provider_model_started_at_idx"
        }


def test_a_correction_prices_only_the_calls_of_its_model_and_time(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_prices(connection, [*prices("house-a", "1"), *prices("house-b", "1")], source="file")
    seed(connection, 48, model="house-a", spacing=timedelta(hours=1))
    seed(connection, 480, model="house-b", seed="b", spacing=timedelta(minutes=6))
    two_days = Window(DAY.start, DAY.end + timedelta(days=1))
    charge_window(connection, [two_days])
    noon = DAY_START + timedelta(hours=12)
    import_prices(connection, prices("house-a", "2", valid_from=noon), source="file")
    priced: list[int] = []

    def counted(attempts: pl.DataFrame, *, book: PriceBook) -> pl.DataFrame:
        priced.append(len(attempts))
        return charge_attempts(attempts, book=book)

    monkeypatch.setattr(charging, "charge_attempts", counted)
    result = charge_corrected(connection, [two_days], chunk_calls=7)

    assert (result.n_priced, result.n_restated, sum(priced)) == (36, 36, 36)
    assert charge_corrected(connection, [two_days]).n_restated == 0
    assert sum(priced) == 36
    assert rows(
        connection,
        "select model, started_at >= '2026-10-14T12:00Z', count(*), sum(amount_usd) from cost.charges"
        " group by 1, 2 order by 1, 2",
    ) == [
        ("house-a", False, 12, Decimal("0.0018")),
        ("house-a", True, 36, Decimal("0.0108")),
        ("house-b", False, 120, Decimal("0.018")),
        ("house-b", True, 360, Decimal("0.054")),
    ]


def test_days_with_few_corrected_calls_share_a_chunk(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_prices(connection, prices("house-a", "1"), source="file")
    noon = DAY_START + timedelta(hours=12)
    for day, n in enumerate([3, 0, 4, 9, 2]):
        seed(connection, n, model="house-a", seed=str(day), start=noon + timedelta(days=day))
    seed(connection, 6, model="gpt-4o-mini", spacing=timedelta(days=1))
    week = Window(noon, DAY_START + timedelta(days=7))
    charge_window(connection, [Window(DAY_START, week.end)])
    since = datetime.now(UTC)
    import_prices(connection, prices("house-a", "2"), source="file")
    priced: list[int] = []

    def counted(attempts: pl.DataFrame, *, book: PriceBook) -> pl.DataFrame:
        priced.append(len(attempts))
        return charge_attempts(attempts, book=book)

    monkeypatch.setattr(charging, "charge_attempts", counted)
    result = charge_corrected(connection, [week], since=since, chunk_calls=8)

    assert (result.n_restated, priced) == (18, [7, 8, 1, 2])
    assert rows(connection, "select model, count(*), sum(amount_usd) from cost.charges group by 1") == [
        ("gpt-4o-mini", 6, Decimal("0.00027")),
        ("house-a", 18, Decimal("0.0054")),
    ]


def test_changes_before_the_mark_that_led_here_are_not_looked_for(connection: Connection) -> None:
    import_prices(connection, prices("house-a", "1"), source="file")
    seed(connection, 5, model="house-a")
    charge_window(connection, [DAY])
    import_prices(connection, prices("house-a", "2"), source="file")
    marks = [mark for mark in snapshot(connection, limit_hours=9) if mark.stage == "prices"]
    since = min(mark.changed_at for mark in marks)

    assert charge_corrected(connection, [DAY], since=datetime.now(UTC)).n_restated == 0
    assert charge_corrected(connection, [DAY], since=since).n_restated == 5


def test_a_correction_gives_what_pricing_everything_again_would(connection: Connection) -> None:
    for model in ("house-a", "house-b"):
        seed(connection, 20, model=model, seed=model, spacing=timedelta(hours=1))
    given = [*prices("house-", "1", match="prefix"), *prices("house-a", "3", provider="openai")]
    import_prices(connection, given, source="file")
    charge_window(connection, [DAY])
    # The second ends at noon what held all day, and a prefix of any provider changes beneath an exact price.
    noon = DAY_START + timedelta(hours=12)
    import_prices(connection, prices("house-", "2", match="prefix"), source="file")
    import_prices(connection, prices("house-a", "3", provider="openai", valid_to=noon), source="file")

    charge_corrected(connection, [DAY])

    corrected = rows(connection, CHARGES)
    assert charge_window(connection, [DAY], reprice=True).n_restated == 0
    assert rows(connection, CHARGES) == corrected
    assert rows(connection, "select amount_usd, count(*) from cost.charges group by 1 order by 1") == [
        (Decimal("0.0003"), 28),
        (Decimal("0.00045"), 12),
    ]
