"""A proxy on the home that `load` drains, and what a test sends to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from ingest.settings import Settings
from tests.ingest.intake.sending import Sending
from tests.ingest.running_proxy import running_proxy
from tests.ingest.upstream import Provider


@pytest.fixture
async def intake(
    settings: Settings, provider: Provider, http: aiohttp.ClientSession
) -> AsyncIterator[Sending]:
    """The endpoints of a running proxy, which shares its home with `load`."""
    async with running_proxy(settings.home, provider.url) as proxy:
        yield Sending(proxy.url, http)


@pytest.fixture
def recorded_spans() -> Path:
    """Spans as instrumentations send them, one export request a file."""
    return Path(__file__).parent / "spans"
