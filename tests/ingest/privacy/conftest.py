"""A provider that repeats all it hears, and proxies in front of it for projects with wishes."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ingest.access.snapshot import ProjectRow, Snapshot, save_snapshot
from ingest.proxy.bounds import Limits
from tests.ingest.privacy.echoing import running_echo
from tests.ingest.running_proxy import Proxy, running_proxy

OpenProxy = Callable[..., AbstractAsyncContextManager[Proxy]]


@pytest.fixture
async def echo() -> AsyncIterator[str]:
    async with running_echo() as url:
        yield url


@pytest.fixture
def proxy_for(tmp_path: Path, echo: str) -> OpenProxy:
    """`proxy_for(keep, …)`: a proxy whose every project wishes so; the rest are the row's other columns."""

    @asynccontextmanager
    async def open_proxy(
        keep: str, *, limits: Limits | None = None, project: str = "*", **wishes: Any
    ) -> AsyncIterator[Proxy]:
        row = ProjectRow(project=project, keep=keep, **wishes)  # pyright: ignore[reportArgumentType]
        tmp_path.mkdir(exist_ok=True)
        save_snapshot(tmp_path, Snapshot(version=1, projects=(row,)))
        async with running_proxy(tmp_path, echo, limits=limits) as proxy:
            yield proxy

    return open_proxy
