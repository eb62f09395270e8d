"""Nobody waits behind a large prompt; how long a scrape holds up calls, the benchmark of fairness says."""

import asyncio
from pathlib import Path

import aiohttp

from tests.ingest.killable_proxy import killable_proxy
from tests.ingest.proxy_calls import CHAT, body_of
from tests.ingest.upstream import Provider

LARGE = body_of("ok", padding="x" * (10 << 20))
N_SMALL = 60


async def test_small_calls_do_not_wait_behind_10_mb_prompts(tmp_path: Path, provider: Provider) -> None:
    async with killable_proxy(tmp_path, provider.url) as (url, _), aiohttp.ClientSession() as http:
        await small_call(http, url)
        is_over, n_large = False, 0

        async def keep_sending() -> None:
            nonlocal n_large
            while not is_over:
                async with http.post(url + CHAT, data=pieces(LARGE)) as response:
                    assert response.status == 200
                    await response.read()
                n_large += 1

        sending = asyncio.ensure_future(keep_sending())
        for _ in range(N_SMALL):
            await small_call(http, url)
        is_over = True
        await sending
    # A dozen pass while one prompt is on its way; who waited for it would be one.
    assert 3 * n_large <= N_SMALL
    assert [len(body) for body in provider.bodies if len(body) > 1 << 20] == [len(LARGE)] * n_large


async def small_call(http: aiohttp.ClientSession, url: str) -> None:
    async with http.post(url + CHAT, data=body_of("ok", padding="x" * 1000)) as response:
        assert response.status == 200
        await response.read()


async def pieces(data: bytes) -> object:
    for at in range(0, len(data), 1 << 16):
        yield data[at : at + (1 << 16)]
