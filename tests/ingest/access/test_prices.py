"""What the proxy says a call costs is what the warehouse charges for it, digit for digit."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import aiohttp
import psycopg
from psycopg.rows import TupleRow

from evaluators.pricing.rows import PriceRow
from ingest.access.prices import SnapshotPricer, rows_of
from ingest.access.snapshot import ModelRow, Snapshot, read_snapshot
from ingest.database.url import DatabaseUrl
from ingest.loader import run_loader
from ingest.providers.base import Reading
from ingest.proxy.ports import Target
from ingest.settings import Settings
from orchestration.cost.charging import charge_window
from orchestration.cost.price_book import import_prices
from orchestration.windows import Window
from tests.ingest.running_proxy import running_proxy
from tests.ingest.upstream import Provider

OLD, NEW = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
TARGET = Target(name="fast/1", provider="openai", base_url="http://x", model="ok")
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def rows(
    model: str, *, price: str, valid_from: datetime = OLD, valid_to: datetime | None = None
) -> list[PriceRow]:
    return [
        PriceRow(
            provider="openai",
            model=model,
            bucket=bucket,
            usd_per_million=Decimal(price),
            valid_from=valid_from,
            valid_to=valid_to,
            recorded_at=OLD,
            source="a file",
        )
        for bucket in ("input_uncached", "output_text")
    ]


def pricer(connection: psycopg.Connection[TupleRow]) -> SnapshotPricer:
    made = SnapshotPricer()
    made.replace(rows_of(read_snapshot(connection)))
    return made


def cost(tested: SnapshotPricer, *, at: datetime, served: str | None = None) -> Decimal | None:
    reading = Reading(served_model=served, usage=USAGE)
    at_ns = int(at.timestamp() * 1e9)
    return tested.cost(reading, target=TARGET, endpoint="/v1/chat/completions", at_ns=at_ns)


def test_the_calls_own_time_decides_and_unknown_is_none(table: psycopg.Connection[TupleRow]) -> None:
    import_prices(table, [*rows("ok", price="1", valid_to=datetime(2099, 1, 1, tzinfo=UTC))], source="a file")
    import_prices(table, rows("ok", price="2", valid_from=datetime(2099, 1, 1, tzinfo=UTC)), source="a file")
    tested = pricer(table)
    assert cost(tested, at=NEW) == Decimal("0.000010")
    assert cost(tested, at=datetime(2099, 1, 2, tzinfo=UTC)) == Decimal("0.000020")
    assert cost(tested, at=datetime(2020, 1, 1, tzinfo=UTC)) is None
    assert cost(tested, at=NEW, served="never-heard-of") is None
    assert cost(SnapshotPricer(), at=NEW) is None


def test_a_price_that_cannot_be_is_left_out(table: psycopg.Connection[TupleRow]) -> None:
    import_prices(table, [*rows("ok", price="1"), *rows("bad", price="1")], source="a file")
    table.execute("update cost.prices set service_tier = 'NOT A TIER' where model = 'bad'")
    assert {row.model for row in rows_of(read_snapshot(table))} == {"ok"}


def test_superseded_and_ended_prices_stay_out_of_the_snapshot(table: psycopg.Connection[TupleRow]) -> None:
    import_prices(table, rows("gone", price="1", valid_to=datetime(2025, 1, 1, tzinfo=UTC)), source="a file")
    import_prices(table, rows("ok", price="1"), source="a file")
    import_prices(table, rows("ok", price="3"), source="a file")
    assert {(price.model, price.usd_per_million) for price in read_snapshot(table).prices} == {
        ("ok", Decimal(3))
    }


def test_rates_of_invented_models_are_forgotten_in_time(table: psycopg.Connection[TupleRow]) -> None:
    import_prices(table, rows("ok", price="1"), source="a file")
    tested = pricer(table)
    for number in range(6_000):
        cost(tested, at=NEW, served=f"invented-{number}")
    assert len(tested._asked) <= 5_000
    assert cost(tested, at=NEW) == Decimal("0.000010")


async def test_the_live_cost_is_the_charge(
    followed: Settings,
    add: Callable[..., ModelRow],
    table: psycopg.Connection[TupleRow],
    *,
    warehouse: DatabaseUrl,
    provider: Provider,
    http: aiohttp.ClientSession,
) -> None:
    add(provider.url, "status-503")
    add(provider.url, "flex")
    flex = [replace(row, service_tier="flex") for row in rows("flex-2026", price="0.123456789012")]
    import_prices(table, [*rows("flex-2026", price="1"), *flex], source="a file")
    # A client that says its tier does not choose its price.
    tags = json.dumps({"service_tier": "batch", "lqo.service_tier": "batch"})
    async with running_proxy(followed.home, provider.url, settings=followed) as proxy:
        for stream in (False, True):
            body = json.dumps({"model": "fast", "stream": stream, "messages": []})
            async with http.post(
                f"{proxy.url}/v1/chat/completions", data=body, headers={"x-lqo-tags": tags}
            ) as response:
                assert response.status == 200
                await response.read()
        live = [call.end.cost_usd for call in proxy.calls().values() if call.end]
        async with http.get(f"{proxy.url}/metrics") as response:
            assert "llm_gateway_cost_usd_total" in await response.text()
    await asyncio.to_thread(run_loader, followed, warehouse, once=True)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    window = Window(today - timedelta(days=2), today + timedelta(days=2))
    await asyncio.to_thread(charge_window, table, [window])
    charged = table.execute(
        "select attempt, provider, model, amount_usd::text, unpriced_reason from cost.charges"
        " order by started_at, attempt"
    ).fetchall()
    assert [row[:3] for row in charged] == [(0, "openai", "status-503"), (1, "openai", "flex-2026")] * 2
    assert [row[3:] for row in charged[::2]] == [(None, "no_usage")] * 2
    assert [Decimal(row[3]) for row in charged[1::2]] == [Decimal(cost or "NaN") for cost in live]
    assert set(live) == {"0.000001234568"}


async def test_an_answer_that_names_no_model_costs_what_was_asked_for_live_and_charged(
    followed: Settings,
    table: psycopg.Connection[TupleRow],
    *,
    warehouse: DatabaseUrl,
    provider: Provider,
    http: aiohttp.ClientSession,
) -> None:
    import_prices(table, rows("unnamed", price="1"), source="a file")
    async with running_proxy(followed.home, provider.url, settings=followed) as proxy:
        body = json.dumps({"model": "unnamed", "messages": []})
        headers = {"authorization": "Bearer sk-theirs"}
        async with http.post(f"{proxy.url}/v1/chat/completions", data=body, headers=headers) as response:
            assert "model" not in await response.json()
        [live] = [call.end.cost_usd for call in proxy.calls().values() if call.end]
    await asyncio.to_thread(run_loader, followed, warehouse, once=True)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    window = Window(today - timedelta(days=1), today + timedelta(days=1))
    await asyncio.to_thread(charge_window, table, [window])

    [(model, amount)] = table.execute("select model, amount_usd from cost.charges").fetchall()
    assert (model, amount) == ("unnamed", Decimal(live or "NaN"))
    assert amount > 0


def test_an_answer_at_another_tier_costs_that_tier_s_price(table: psycopg.Connection[TupleRow]) -> None:
    flex = [replace(row, service_tier="flex") for row in rows("ok", price="0.5")]
    import_prices(table, [*rows("ok", price="1"), *flex], source="a file")
    tested, at_ns = pricer(table), int(NEW.timestamp() * 1e9)
    found = {
        tier: tested.cost(
            Reading(served_model="ok", usage=USAGE, service_tier=tier),
            target=TARGET,
            endpoint="/v1/chat/completions",
            at_ns=at_ns,
        )
        for tier in (None, "default", "flex", "priority")
    }
    dear, cheap = Decimal("0.000010"), Decimal("0.000005")
    assert found == {None: dear, "default": dear, "flex": cheap, "priority": None}


def test_an_empty_snapshot_prices_nothing() -> None:
    assert rows_of(Snapshot()) == ()
