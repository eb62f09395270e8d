"""A Redis of the test's own."""

from collections.abc import Iterator

import pytest

from tests.ingest.redis_server import RedisServer


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()
