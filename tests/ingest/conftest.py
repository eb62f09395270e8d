"""A home with its spool, what brings calls or a file's into a fresh warehouse, and a running proxy."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from ingest.database.embedded import EmbeddedServer, start_embedded
from ingest.database.url import DatabaseUrl
from ingest.loader import run_loader
from ingest.loading.result import LoaderResult
from ingest.settings import Settings
from ingest.spool.writer import Spool
from tests.ingest.embedded_commands import StartServer
from tests.ingest.import_lines import Importer
from tests.ingest.running_proxy import Proxy, running_proxy
from tests.ingest.upstream import Provider, running_provider


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def spool(settings: Settings) -> Iterator[Spool]:
    """The home's spool, open for writing as a proxy has it."""
    opened = Spool(settings.spool)
    yield opened
    opened.close()


@pytest.fixture
def load(settings: Settings, warehouse: DatabaseUrl) -> Callable[..., LoaderResult]:
    """Drain the home's spool once; options are those of `run_loader`."""

    def once(**options: object) -> LoaderResult:
        return run_loader(settings, warehouse, once=True, **options)  # pyright: ignore[reportArgumentType]

    return once


@pytest.fixture
def run_import(settings: Settings, warehouse: DatabaseUrl) -> Importer:
    return Importer(settings.home, warehouse)


@pytest.fixture
def write_calls(tmp_path: Path) -> Callable[[bytes], Path]:
    """Write these bytes to the one file of calls, and say where it is."""

    def write_file(data: bytes) -> Path:
        path = tmp_path / "calls.jsonl"
        path.write_bytes(data)
        return path

    return write_file


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """`start_embedded` whose servers are stopped after the test."""
    started: list[EmbeddedServer] = []

    def start_and_note(folder: Path, *, is_throwaway: bool = True) -> EmbeddedServer:
        started.append(start_embedded(folder, is_throwaway=is_throwaway))
        return started[-1]

    yield start_and_note
    for server in started:
        server.stop()


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """A provider on a free port; the requested model says how it behaves."""
    async with running_provider() as provider:
        yield provider


@pytest.fixture
async def proxy(tmp_path: Path, provider: Provider) -> AsyncIterator[Proxy]:
    """A proxy in front of `provider`, in the test's own loop."""
    async with running_proxy(tmp_path, provider.url) as proxy:
        yield proxy


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that leaves packed answers packed."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session
