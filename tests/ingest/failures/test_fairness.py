"""Nobody waits behind a large prompt, a scrape of the metrics or a refused crowd."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from tests.ingest.killable_proxy import killable_proxy
from tests.ingest.proxy_calls import CHAT, body_of
from tests.ingest.upstream import Provider

LARGE = body_of("ok", padding="x" * (10 << 20))
MOST_SECONDS = 0.4
"""What a small call may take here, where client, provider and proxy share two cores with other tests."""


async def test_small_calls_do_not_wait_behind_10_mb_prompts(tmp_path: Path, provider: Provider) -> None:
    async with killable_proxy(tmp_path, provider.url) as (url, _), aiohttp.ClientSession() as http:
        await small_call(http, url)
        large = 0

        async def send_large() -> None:
            nonlocal large
            async with http.post(url + CHAT, data=pieces(LARGE)) as response:
                assert response.status == 200
                await response.read()
                large += 1

        seconds = await beside(send_large, lambda: small_call(http, url), times=60)
    assert large >= 2
    assert slowest_but_one_percent(seconds) < MOST_SECONDS
    assert [len(body) for body in provider.bodies if len(body) > 1 << 20] == [len(LARGE)] * large


async def test_small_calls_do_not_wait_behind_a_scrape(tmp_path: Path, provider: Provider) -> None:
    async with killable_proxy(tmp_path, provider.url) as (url, _), aiohttp.ClientSession() as http:
        for model in range(50):
            async with http.post(url + CHAT, data=body_of(f"ok-{model}")) as response:
                assert response.status == 200
        scrapes: list[float] = []

        async def scrape() -> None:
            began = time.perf_counter()
            async with http.get(f"{url}/metrics") as response:
                assert "llm_gateway_requests_total" in await response.text()
            scrapes.append(time.perf_counter() - began)

        seconds = await beside(scrape, lambda: small_call(http, url), times=60)
    assert len(scrapes) > 5
    assert slowest_but_one_percent(seconds) < MOST_SECONDS
    assert slowest_but_one_percent(scrapes) < MOST_SECONDS


async def beside(
    other: Callable[[], Awaitable[None]], call: Callable[[], Awaitable[float]], *, times: int
) -> list[float]:
    """Seconds of `call`, made `times` times while `other` runs over and over."""
    is_over = False

    async def keep_on() -> None:
        while not is_over:
            await other()

    running = asyncio.ensure_future(keep_on())
    seconds = [await call() for _ in range(times)]
    is_over = True
    await running
    return seconds


async def small_call(http: aiohttp.ClientSession, url: str) -> float:
    began = time.perf_counter()
    async with http.post(url + CHAT, data=body_of("ok", padding="x" * 1000)) as response:
        assert response.status == 200
        await response.read()
    return time.perf_counter() - began


async def pieces(data: bytes) -> object:
    for at in range(0, len(data), 1 << 16):
        yield data[at : at + (1 << 16)]


def slowest_but_one_percent(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)]
