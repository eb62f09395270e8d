"""Redis as the shared limits use it: three scripts, in one pipeline, within a time."""

import asyncio
from collections.abc import Sequence
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from ingest.limits.scripts import OWE, SETTLE, TAKE

if TYPE_CHECKING:
    from redis.asyncio import Redis

START_SECONDS = 2.0
TAKE_DIGEST, SETTLE_DIGEST, OWE_DIGEST = (sha1(script.encode()).hexdigest() for script in (TAKE, SETTLE, OWE))


class RedisScripts:
    """A connection that a call waits `timeout_seconds` for, and no longer."""

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        """Raises ValueError for a URL that is none, ModuleNotFoundError without the extra `redis`."""
        self._redis = _client(url, timeout_seconds=timeout_seconds)
        self._timeout = timeout_seconds

    async def execute(
        self, calls: Sequence[tuple[str, Sequence[str], Sequence[str]]], *, seconds: float
    ) -> list[Any]:
        """The replies of scripts (or errors), in order. Raises where no answer comes in time."""
        async with asyncio.timeout(seconds), self._redis.pipeline(transaction=False) as pipe:
            for digest, keys, arguments in calls:
                pipe.evalsha(digest, len(keys), *keys, *arguments)
            return await pipe.execute(raise_on_error=False)

    async def answers_at_start(self) -> bool:
        """As `answers`, again for a while where Redis is slow. One that is not there fails at once."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + START_SECONDS
        while True:
            began = clock()
            if await self.answers():
                return True
            if clock() - began < 0.9 * self._timeout or clock() > deadline:
                return False

    async def answers(self) -> bool:
        """Whether Redis takes a write in time; it knows the scripts then."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._redis.set(key_of("probe"), "1", ex=10)
                for script in (TAKE, SETTLE, OWE):
                    await self._redis.script_load(script)
        except Exception:
            return False
        return True

    async def close(self) -> None:
        """Give the connection back; raises whatever the client library does."""
        await self._redis.aclose()


def key_of(name: str) -> str:
    """Every key in one slot of a cluster."""
    return f"{{lqo}}:{name}"


def _client(url: str, *, timeout_seconds: float) -> "Redis":
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )
