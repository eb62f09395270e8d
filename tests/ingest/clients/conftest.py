"""What the tests of real clients share."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from ingest.database.url import DatabaseUrl
from ingest.loader import run_loader
from ingest.loading.result import LoaderResult
from ingest.settings import Settings
from tests.ingest.recorded import Recorded, recorded_exchanges
from tests.ingest.replayed_calls import rows_of
from tests.ingest.running_proxy import Proxy, running_proxy
from tests.ingest.upstream import Provider

Land = Callable[[], list[dict[str, Any]]]


@pytest.fixture
async def front(settings: Settings, provider: Provider) -> AsyncIterator[Proxy]:
    """A proxy whose spool `land` drains."""
    async with running_proxy(settings.home, provider.url) as proxy:
        yield proxy


@pytest.fixture
def land(settings: Settings, warehouse: DatabaseUrl, connection: psycopg.Connection[TupleRow]) -> Land:
    """Load what the spool holds, and give the rows in the order of their calls."""

    def once() -> list[dict[str, Any]]:
        result = run_loader(settings, warehouse, once=True)
        rows = sorted(rows_of(connection).values(), key=lambda row: row["call_id"])
        assert result == LoaderResult(landed=len(rows))
        return rows

    return once


@pytest.fixture(scope="session")
def all_recorded(shared_data: Path) -> list[Recorded]:
    return recorded_exchanges(shared_data)


@pytest.fixture
def recorded(provider: Provider, all_recorded: list[Recorded]) -> list[Recorded]:
    """What was recorded with real providers; the simulated one can replay it."""
    provider.exchanges |= {exchange.name: exchange for exchange in all_recorded}
    return all_recorded
