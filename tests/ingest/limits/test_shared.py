"""Two proxies that share limits and budgets through a real Redis, which is also frozen and killed."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from ingest.limits import redis_scripts
from ingest.limits.gcra import Denied, Draw
from ingest.limits.ledger import Ledger, Overdrawn, Spend
from ingest.limits.meter import LocalMeter, Taken, Unreachable
from ingest.limits.scripts import SETTLE, TAKE
from ingest.limits.shared import SharedMeter, WhenDown
from tests.ingest.redis_server import RedisServer
from tests.ingest.running_proxy import until

ACCOUNT = "bud@2999-11"
RESETS_AT = 32_000_000_000
FROZEN = 1.0
"""Seconds that calls wait for a Redis which does not answer; where it does, it gets all it needs."""

Open = Callable[..., Awaitable[SharedMeter]]


@pytest.fixture
async def open_meter(redis_server: RedisServer) -> AsyncIterator[Open]:
    opened: list[SharedMeter] = []

    async def start(when_down: WhenDown = "refuse", *, timeout_seconds: float = 20.0) -> SharedMeter:
        meter = SharedMeter(
            redis_server.url,
            local=LocalMeter(Ledger(epoch="e")),
            when_down=when_down,
            timeout_seconds=timeout_seconds,
        )
        opened.append(meter)
        await opened[-1].start()
        return opened[-1]

    yield start
    for meter in opened:
        await meter.close()


def requests(limit: int) -> Draw:
    return Draw("requests:key:a", "key", "requests", limit, 1)


def tokens(limit: int, units: int) -> Draw:
    return Draw("tokens:key:a", "key", "tokens", limit, units)


def spend(amount: int, *, limit: int = 1000) -> Spend:
    return Spend(ACCOUNT, "key", "month", limit, amount, RESETS_AT)


async def committed(server: RedisServer) -> int:
    async with Redis.from_url(server.url) as redis:
        return int(await redis.get(f"{{lqo}}:pico:{ACCOUNT}") or 0)


async def until_committed(server: RedisServer, amount: int) -> None:
    deadline = time.monotonic() + 30
    while (found := await committed(server)) != amount:
        assert time.monotonic() < deadline, f"{found} is committed, not {amount}"
        await asyncio.sleep(0.02)


async def test_two_proxies_together_pass_what_one_may(open_meter: Open) -> None:
    one, two = await open_meter(), await open_meter()
    taken = [await meter.take([requests(2)], []) for _ in range(4) for meter in (one, two)]
    assert sum(isinstance(each, Taken) for each in taken) == 2
    assert all(isinstance(each, Denied) and 0 < each.wait_ns <= 30 * 10**9 for each in taken[2:])


async def test_two_proxies_together_spend_no_more_than_one_budget(
    open_meter: Open, redis_server: RedisServer
) -> None:
    meters = [await open_meter(), await open_meter()]
    taken = await asyncio.gather(*(meters[n % 2].take([], [spend(300)]) for n in range(200)))
    granted = [(meters[n % 2], each) for n, each in enumerate(taken) if isinstance(each, Taken)]
    assert len(granted) == 3
    assert all(isinstance(each, Overdrawn | Taken) for each in taken)
    for meter, each in granted:
        meter.settle(each, tokens=None, amount=100)
    await until_committed(redis_server, 300)


async def test_used_tokens_are_corrected_for_all(open_meter: Open) -> None:
    one, two = await open_meter(), await open_meter()
    taken = await one.take([tokens(1000, 900)], [])
    assert isinstance(taken, Taken)
    assert isinstance(await two.take([tokens(1000, 500)], []), Denied)
    one.settle(taken, tokens=100, amount=0)
    await until(lambda: not one.has_news)
    assert isinstance(await two.take([tokens(1000, 890)], []), Taken)


async def test_a_settlement_that_is_told_twice_counts_once(
    open_meter: Open, redis_server: RedisServer
) -> None:
    meter = await open_meter()
    taken = await meter.take([], [spend(500)])
    assert isinstance(taken, Taken)
    for _ in range(3):
        meter.settle(taken, tokens=None, amount=200)
    await until(lambda: not meter.has_news)
    assert await committed(redis_server) == 200


async def test_a_frozen_redis_is_asked_once_for_all_who_wait(
    open_meter: Open, redis_server: RedisServer
) -> None:
    meter = await open_meter(timeout_seconds=FROZEN)
    redis_server.freeze()
    try:
        first = await asyncio.gather(*(meter.take([requests(20)], []) for _ in range(100)))
        asked = meter.failures
        second = [await meter.take([requests(20)], []) for _ in range(100)]
    finally:
        redis_server.thaw()
    assert all(isinstance(each, Unreachable) for each in (*first, *second))
    # One wait for those that came together; who comes after them does not wait at all.
    assert meter.failures == asked


async def test_who_waits_for_a_frozen_redis_holds_nobody_else_up(
    open_meter: Open, redis_server: RedisServer
) -> None:
    meter = await open_meter()
    redis_server.freeze()
    try:
        waiting = asyncio.ensure_future(meter.take([requests(20)], []))
        for _ in range(5):
            await asyncio.sleep(0.01)
        assert not waiting.done()
    finally:
        redis_server.thaw()
    assert isinstance(await waiting, Taken)


async def test_what_timed_out_is_taken_back_once_redis_goes_on(
    open_meter: Open, redis_server: RedisServer
) -> None:
    meter = await open_meter(timeout_seconds=FROZEN)
    redis_server.freeze()
    try:
        lost = await asyncio.gather(*(meter.take([tokens(1000, 300)], [spend(300)]) for _ in range(3)))
    finally:
        redis_server.thaw()
    assert all(isinstance(each, Unreachable) for each in lost)
    await until(lambda: not meter.is_down and not meter.has_news)
    assert await committed(redis_server) == 0
    assert isinstance(await meter.take([tokens(1000, 1000)], [spend(1000)]), Taken)


async def test_what_was_spent_alone_is_told_to_redis_later(
    open_meter: Open, redis_server: RedisServer
) -> None:
    meter = await open_meter("local", timeout_seconds=FROZEN)
    first = await meter.take([], [spend(600)])
    assert isinstance(first, Taken)
    meter.settle(first, tokens=None, amount=600)
    await until(lambda: not meter.has_news)
    redis_server.freeze()
    try:
        taken = [await meter.take([], [spend(300)]) for _ in range(3)]
    finally:
        redis_server.thaw()
    assert [type(each) for each in taken] == [Taken, Overdrawn, Overdrawn]
    assert isinstance(taken[0], Taken)
    meter.settle(taken[0], tokens=None, amount=250)
    await until(lambda: not meter.is_down and not meter.has_news)
    assert await committed(redis_server) == 850


async def test_a_killed_redis_is_found_again(open_meter: Open, redis_server: RedisServer) -> None:
    meter = await open_meter()
    taken = await meter.take([], [spend(100)])
    assert isinstance(taken, Taken)
    redis_server.kill()
    assert isinstance(await meter.take([], [spend(100)]), Unreachable)
    meter.settle(taken, tokens=None, amount=50)
    redis_server.start()
    await until(lambda: not meter.is_down)
    assert isinstance(await meter.take([], [spend(100)]), Taken)


async def test_a_proxy_starts_while_redis_is_down(open_meter: Open, redis_server: RedisServer) -> None:
    redis_server.kill()
    meter = await open_meter()
    assert isinstance(await meter.take([requests(1)], []), Unreachable)
    redis_server.start()
    await until(lambda: not meter.is_down)
    assert isinstance(await meter.take([requests(1)], []), Taken)


async def test_a_redis_that_is_slow_while_a_proxy_starts_is_waited_for(
    open_meter: Open, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_scripts, "START_SECONDS", 60.0)
    redis_server.freeze()
    starting = asyncio.ensure_future(open_meter(timeout_seconds=0.1))
    try:
        await asyncio.sleep(0.5)
        assert not starting.done()
    finally:
        redis_server.thaw()
    assert not (await starting).is_down


async def test_no_key_stays_for_ever(open_meter: Open, redis_server: RedisServer) -> None:
    meter = await open_meter()
    taken = await meter.take([requests(5), tokens(100, 50)], [spend(10)])
    assert isinstance(taken, Taken)
    async with Redis.from_url(redis_server.url) as redis:
        names = [name async for name in redis.scan_iter("*")]
        assert len(names) == 5
        assert all([await redis.ttl(name) > 0 for name in names])
    meter.settle(taken, tokens=None, amount=10)


async def test_a_command_that_runs_after_it_was_taken_back_counts_nothing(redis_server: RedisServer) -> None:
    keys = [f"{{lqo}}:pico:{ACCOUNT}", "{lqo}:grant:late"]
    async with Redis.from_url(redis_server.url) as redis:
        await redis.eval(SETTLE, 2, keys[1], keys[0], "0", "1", "-5")
        assert await redis.eval(TAKE, 2, *keys, "0", "1", "5", "100", str(RESETS_AT)) == [3]
    assert await committed(redis_server) == 0
