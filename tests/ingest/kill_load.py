"""Load on a proxy that is killed (-9) at random moments and started again, and what its clients saw."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from uuid import UUID

import aiohttp

from tests.ingest.killable_proxy import killable_proxy
from tests.ingest.proxy_calls import CHAT, body_of

CLIENTS = 8
LONGEST_LIFE = 0.6
REQUESTS = (
    {"model": "ok"},
    {"model": "stream-ok", "stream": True},
    {"model": "ok", "padding": "x" * 3_000},
    {"model": "ok", "padding": "x" * 400_000},
)


@dataclass(slots=True)
class Seen:
    """`whole`: calls whose last byte a client had; `begun`: calls that a client knows of; `kills` made."""

    whole: set[UUID] = field(default_factory=set[UUID])
    begun: set[UUID] = field(default_factory=set[UUID])
    kills: int = 0


async def kill_under_load(home: Path, provider_url: str, *, kills: int, seed: int, strict: bool) -> Seen:
    """Start a proxy, load it, kill it after a random time, `kills` times over."""
    seen, rng = Seen(), Random(seed)
    before = "Settings = __import__('functools').partial(Settings, durability='strict')" if strict else ""
    for _ in range(kills):
        proxy = killable_proxy(home, provider_url, before=before)
        async with proxy as (url, process), aiohttp.ClientSession() as http:
            clients = [asyncio.ensure_future(_client(http, url, seen=seen, rng=rng)) for _ in range(CLIENTS)]
            await asyncio.sleep(rng.uniform(0.02, LONGEST_LIFE))
            process.kill()
            seen.kills += 1
            await asyncio.gather(*clients)
    return seen


async def _client(http: aiohttp.ClientSession, url: str, *, seen: Seen, rng: Random) -> None:
    while True:
        try:
            request = dict(rng.choice(REQUESTS))
            async with http.post(url + CHAT, data=body_of(str(request.pop("model")), **request)) as response:
                call_id = UUID(response.headers["x-lqo-call-id"])
                seen.begun.add(call_id)
                await response.read()
                if response.status == 200:
                    seen.whole.add(call_id)
        except aiohttp.ClientError:
            return
