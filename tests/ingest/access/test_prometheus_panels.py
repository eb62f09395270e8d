"""The live panels find figures in a real Prometheus that was given what a running proxy exports."""

import asyncio
import math
import re
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import psycopg
from psycopg.rows import TupleRow

from ingest.access.snapshot import ModelRow
from ingest.database.url import DatabaseUrl
from ingest.loader import run_loader
from ingest.settings import Settings
from ingest.spool.writer import Spool
from orchestration.cost.price_book import import_prices
from reports.grafana.queries import panel_queries
from tests.ingest.access.test_prices import rows
from tests.ingest.prometheus_server import prometheus_over, query_range
from tests.ingest.running_proxy import Proxy, running_proxy
from tests.ingest.upstream import Provider

EXPRESSIONS = [query for query in panel_queries() if not query.is_sql]
DOCS = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"
INTERVAL = 15


# What the proxy says once its timers have gone round: before, gauges are NaN and histograms empty.
TOLD = (
    "spool_unloaded_seconds [0-9]",
    "spool_outage_hours_left [0-9]",
    "event_loop_lag_seconds_count [1-9]",
    r"target_attempts_total\{.*\} [1-9]",
)


async def test_every_live_panel_finds_figures(
    followed: Settings,
    add: Callable[..., ModelRow],
    table: psycopg.Connection[TupleRow],
    *,
    warehouse: DatabaseUrl,
    provider: Provider,
    http: aiohttp.ClientSession,
    tmp_path: Path,
) -> None:
    add(provider.url, "status-503")
    add(provider.url, "ok")
    import_prices(table, rows("ok-2026", price="1"), source="a file")
    Spool(followed.spool).close()
    await asyncio.to_thread(run_loader, followed, warehouse, once=True)
    async with running_proxy(followed.home, provider.url, settings=followed) as proxy:
        texts = await exported(http, proxy)
    # The pages stand for scrapes within the last hour; none is waited for.
    start = float(int(time.time()) - 3600)
    end = start + (len(texts) - 1) * INTERVAL
    pages = {start + number * INTERVAL: text for number, text in enumerate(texts)}
    with prometheus_over(pages, folder=tmp_path) as url:
        without = [
            f"{query.dashboard}: {query.panel}: {query.text}"
            for query in EXPRESSIONS
            if not has_figures(url, query.text, start=start, end=end)
        ]
    assert without == [], "\n".join(without)


async def exported(http: aiohttp.ClientSession, proxy: Proxy) -> list[str]:
    """Pages of metrics between calls, a dozen of them from when the proxy tells all that it has to tell."""
    texts: list[str] = []
    deadline = time.monotonic() + 60
    while sum(all(re.search(told, text) for told in TOLD) for text in texts) < 12:
        assert time.monotonic() < deadline, texts[-1]
        await ask(http, proxy, stream=False)
        await ask(http, proxy, stream=True)
        async with http.get(f"{proxy.url}/metrics") as page:
            texts.append(await page.text())
    return texts[-24:]


def test_every_metric_of_a_panel_is_documented() -> None:
    docs = DOCS.read_text("utf-8")
    names = {name for query in EXPRESSIONS for name in re.findall(r"llm_\w+", query.text)}
    assert len(names) > 10
    for name in names:
        documented = name.removesuffix("_bucket")
        assert f"`{documented}`" in docs or documented.startswith("llm_gateway_spool_"), name


async def ask(http: aiohttp.ClientSession, proxy: Proxy, *, stream: bool) -> None:
    body = {"model": "fast", "stream": stream, "messages": []}
    async with http.post(f"{proxy.url}/v1/chat/completions", json=body) as response:
        assert response.status == 200
        await response.read()


def has_figures(url: str, expression: str, *, start: float, end: float) -> bool:
    """Whether any point of any series is a number."""
    asked = expression.replace("$__rate_interval", f"{4 * INTERVAL}s")
    series = query_range(url, asked, start=start, end=end)
    return any(math.isfinite(float(value)) for each in series for _, value in each["values"])
