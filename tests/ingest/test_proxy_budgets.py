"""Limits and budgets through the real proxy: many calls at once, a kill, two proxies on one Redis."""

import asyncio
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from ingest.access.snapshot import BudgetRow, LimitRow, Price, Snapshot, save_snapshot
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.limits.journal import GRANT, open_ledger
from ingest.limits.ledger import Ledger
from ingest.limits.shared import SharedMeter
from ingest.loader import run_loader
from ingest.settings import Settings
from ingest.spool.writer import Spool
from tests.ingest.killable_proxy import killable_proxy
from tests.ingest.proxy_calls import CHAT, body_of, post
from tests.ingest.redis_server import RedisServer
from tests.ingest.running_proxy import calls_in, running_proxy, until
from tests.ingest.upstream import Provider

INPUT, OUTPUT = Decimal("0.0001"), Decimal("0.001")
COST = 7 * INPUT + 3 * OUTPUT
"""What the provider's one answer (7 tokens in, 3 out) costs."""


@pytest.fixture
def redis_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """A Redis that is waited for longer than the quarter second in which a busy machine may not run it."""
    monkeypatch.setitem(SharedMeter.__init__.__kwdefaults__, "timeout_seconds", 20.0)
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


def prices(model: str) -> tuple[Price, ...]:
    at = datetime(2020, 1, 1, tzinfo=UTC)
    return tuple(
        Price(
            id=number,
            provider=None,
            model=model,
            match="prefix",
            bucket=bucket,
            usd_per_million=usd * 10**6,
            min_input_tokens=0,
            service_tier="standard",
            currency="USD",
            valid_from=at,
            valid_to=None,
            recorded_at=at,
            source="test",
            price_version=1,
        )
        for number, (bucket, usd) in enumerate((("input_uncached", INPUT), ("output_text", OUTPUT)), start=1)
    )


def write_access(home: Path, **given: Any) -> None:
    """What the proxy knows while no database is there."""
    home.mkdir(parents=True, exist_ok=True)
    held = Snapshot(version=1, taken_at_ns=time.time_ns(), **given)
    save_snapshot(home, held)


def budget(usd: str, *, period: Any = "day") -> BudgetRow:
    return BudgetRow(budget_id="bud_1", scope="key", subject="*", period=period, limit_usd=Decimal(usd))


def spent_in(ledger: Ledger) -> Decimal:
    return sum((Decimal(n) / 10**12 for n in ledger.state().spent.values()), Decimal(0))


async def test_a_hundred_calls_at_once_never_pass_the_budget(tmp_path: Path, provider: Provider) -> None:
    home = tmp_path / "home"
    write_access(home, budgets=(budget("0.1"),), prices=prices("ok"))
    async with running_proxy(home, provider.url) as proxy, aiohttp.ClientSession() as http:
        asked = body_of("ok", max_tokens=20)
        answers = await asyncio.gather(*(post(http, proxy.url, asked) for _ in range(100)))
    statuses = [status for status, _, _ in answers]
    assert set(statuses) == {200, 429}
    n_served = statuses.count(200)
    assert len(provider.bodies) == n_served
    assert n_served * COST <= Decimal("0.1")
    assert all(b'"budget_exceeded"' in body for status, _, body in answers if status == 429)
    calls = calls_in(proxy.spool)
    assert len(calls) == 100
    reserved = [call.start.reserved for call in calls.values() if call.start.reserved]
    assert len(reserved) == n_served
    ledger = open_ledger(proxy.spool)
    assert spent_in(ledger) == n_served * COST


async def test_calls_one_after_another_use_up_the_budget_to_the_end(
    tmp_path: Path, provider: Provider
) -> None:
    home = tmp_path / "home"
    write_access(home, budgets=(budget("0.05"),), prices=prices("ok"))
    n_served = 0
    async with running_proxy(home, provider.url) as proxy, aiohttp.ClientSession() as http:
        while (await post(http, proxy.url, body_of("ok", max_tokens=3)))[0] == 200:
            n_served += 1
    assert Decimal("0.05") - n_served * COST < Decimal("0.01")
    assert n_served * COST <= Decimal("0.05")


async def test_a_proxy_killed_between_reserving_and_settling_has_spent_what_it_reserved(
    tmp_path: Path, provider: Provider
) -> None:
    home = tmp_path / "home"
    write_access(home, budgets=(budget("5"),), prices=(*prices("ok"), *prices("hang")))
    async with killable_proxy(home, provider.url) as (url, process), aiohttp.ClientSession() as http:
        for _ in range(3):
            assert (await post(http, url, body_of("ok", max_tokens=20)))[0] == 200
        hanging = asyncio.ensure_future(post(http, url, body_of("hang", max_tokens=20)))
        await until(lambda: len(provider.bodies) == 4)
        process.send_signal(signal.SIGKILL)
        with pytest.raises(aiohttp.ClientError):
            await hanging
    (left,) = [call.start for call in calls_in(home / "spool").values() if call.end is None]
    (reserved,) = [Decimal(usd) for name, usd in left.reserved.items() if name != GRANT]
    assert reserved > 20 * OUTPUT
    spool = Spool(home / "spool")
    ledger = open_ledger(home / "spool")
    spool.close()
    assert spent_in(ledger) == 3 * COST + reserved


async def test_a_restart_goes_on_with_what_was_spent(tmp_path: Path, provider: Provider) -> None:
    home = tmp_path / "home"
    write_access(home, budgets=(budget("0.05"),), prices=prices("ok"))
    for expected in (200, 429):
        async with running_proxy(home, provider.url) as proxy, aiohttp.ClientSession() as http:
            assert (await post(http, proxy.url, body_of("ok", max_tokens=3)))[0] == expected
            while (await post(http, proxy.url, body_of("ok", max_tokens=3)))[0] == 200:
                pass


async def test_an_unpriced_model_is_a_403_and_a_row(tmp_path: Path, provider: Provider) -> None:
    home = tmp_path / "home"
    write_access(home, budgets=(budget("100"),))
    async with running_proxy(home, provider.url) as proxy, aiohttp.ClientSession() as http:
        status, _, body = await post(http, proxy.url, body_of("ok"))
        assert status == 403
        assert b'"model_not_priced"' in body
        end = proxy.only_call().end
    assert end is not None
    assert end.error_type == "model_not_priced"
    assert provider.bodies == []


async def test_a_rate_limit_is_a_429_with_its_headers(tmp_path: Path, provider: Provider) -> None:
    home = tmp_path / "home"
    rule = LimitRow(scope="user", subject="*", requests_per_minute=2)
    write_access(home, limits=(rule,))
    async with running_proxy(home, provider.url) as proxy, aiohttp.ClientSession() as http:
        user = {"x-lqo-user": "김철수 🎈"}
        first = await post(http, proxy.url, body_of("ok"), **user)
        assert first[1]["x-ratelimit-remaining-requests"] == "1"
        await post(http, proxy.url, body_of("ok"), **user)
        status, headers, body = await post(http, proxy.url, body_of("ok"), **user)
        assert status == 429
        assert b'"rate_limit_exceeded"' in body
        assert 1 <= int(headers["retry-after"]) <= 30
        assert (await post(http, proxy.url, body_of("ok"), **{"x-lqo-user": "이영희"}))[0] == 200


async def test_two_proxies_share_a_limit_through_redis(
    tmp_path: Path, provider: Provider, redis_server: RedisServer
) -> None:
    rule = LimitRow(scope="ip", subject="*", requests_per_minute=2)
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        write_access(home, limits=(rule,))
    one, two = (Settings(home=home, redis_url=redis_server.url) for home in homes)
    async with (
        running_proxy(homes[0], provider.url, settings=one) as first,
        running_proxy(homes[1], provider.url, settings=two) as second,
        aiohttp.ClientSession() as http,
    ):
        answers = await asyncio.gather(
            *(post(http, (first, second)[n % 2].url, body_of("ok")) for n in range(40))
        )
        assert sorted(status for status, _, _ in answers) == [200] * 2 + [429] * 38
        await until_metric(http, first.url, "llm_gateway_shared_limits_up 1.0")
        redis_server.kill()
        status, headers, body = await post(http, first.url, body_of("ok"))
        assert status == 503
        assert b'"limits_unavailable"' in body
        assert headers["retry-after"] == "1"
        await until_metric(http, first.url, "llm_gateway_shared_limits_up 0.0")


async def test_what_two_proxies_spent_through_redis_lands_as_redis_has_it(
    tmp_path: Path, provider: Provider, redis_server: RedisServer, warehouse: DatabaseUrl
) -> None:
    rule = BudgetRow(budget_id="bud_1", scope="user", subject="*", period="month", limit_usd=Decimal("0.06"))
    both = [Settings(home=tmp_path / name, redis_url=redis_server.url) for name in ("one", "two")]
    for settings in both:
        write_access(settings.home, budgets=(rule,), prices=prices("ok"))
    async with (
        running_proxy(both[0].home, provider.url, settings=both[0]) as first,
        running_proxy(both[1].home, provider.url, settings=both[1]) as second,
        aiohttp.ClientSession() as http,
    ):
        answers = [
            await post(http, (first, second)[n % 2].url, body_of("ok", max_tokens=20), x_lqo_user=f"u{n % 3}")
            for n in range(60)
        ]
    assert {status for status, _, _ in answers} == {200, 429}
    for settings in both:
        await asyncio.to_thread(run_loader, settings, warehouse, once=True)
    with connect(warehouse) as connection:
        query = """
            select account, (sum(spent_usd) * 10^12)::bigint
            from raw.reservations cross join unnest(accounts) as account group by 1
        """
        landed = dict(connection.execute(query).fetchall())
        found = connection.execute("select count(distinct spool_id) from raw.reservations").fetchone()
    async with Redis.from_url(redis_server.url) as redis:
        names = [f"{{lqo}}:pico:{account}" for account in landed]
        held = [int(amount or 0) for amount in await redis.mget(names)]
    assert found == (2,)
    assert held == [*landed.values()]
    assert len(held) == 3
    assert sum(held) == sum(status == 200 for status, _, _ in answers) * COST * 10**12


async def until_metric(http: aiohttp.ClientSession, url: str, line: str) -> None:
    """Ask for the page, which is brought up to date once a second, until it has this line."""
    async with asyncio.timeout(30):
        while True:
            async with http.get(f"{url}/metrics") as answer:
                if line in (await answer.text()).splitlines():
                    return


async def test_our_limits_replace_the_providers_and_only_where_there_are_any(
    tmp_path: Path, provider: Provider
) -> None:
    home = tmp_path / "home"
    write_access(home, limits=(LimitRow(scope="user", subject="limited", requests_per_minute=7),))
    name = "x-ratelimit-remaining-requests"
    async with running_proxy(home, provider.url) as proxy, aiohttp.ClientSession() as http:
        found: list[list[str]] = []
        for user in ("free", "limited"):
            headers = {"x-lqo-user": user}
            async with http.post(f"{proxy.url}{CHAT}", data=body_of("ok"), headers=headers) as response:
                found.append(response.headers.getall(name, []))
    assert found == [["9"], ["6"]]
