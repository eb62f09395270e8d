"""The metrics page of the API's process: what its databases say, asked at most every few seconds."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from reports.metrics.families import Database
from reports.metrics.reading import Reading, read_database
from reports.metrics.scheduler import SCHEDULER
from reports.metrics.warehouse import WAREHOUSE

logger = logging.getLogger(__name__)

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
KEPT_SECONDS = 5.0
"""How long an answer is given again: several that scrape, or somebody who reloads, ask the databases once."""
LONGEST_SECONDS = 8.0
"""For both databases together; Prometheus waits 10 s for a page."""

Read = Callable[[Database, str], Awaitable[Reading]]


class Exporter:
    """Makes the page. Each database stands under its conninfo; one that is not given is not spoken of."""

    def __init__(self, *, warehouse: str, scheduler: str | None = None, read: Read = read_database) -> None:
        self._read = read
        self._databases = {WAREHOUSE: warehouse} | ({SCHEDULER: scheduler} if scheduler else {})
        self._lock = asyncio.Lock()
        self._page: bytes | None = None
        self._made_at = 0.0
        self._problems: dict[str, str | None] = {}

    async def page(self) -> bytes:
        """The page in Prometheus text format 0.0.4, at most `KEPT_SECONDS` old."""
        async with self._lock:
            if self._page is None or time.monotonic() - self._made_at > KEPT_SECONDS:
                readings = await asyncio.gather(*(self._ask(database) for database in self._databases))
                self._page = render(dict(zip(self._databases, readings, strict=True)))
                self._made_at = time.monotonic()
            return self._page

    async def _ask(self, database: Database) -> Reading:
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                reading = await self._read(database, self._databases[database])
        except TimeoutError:
            reading = Reading(is_up=False, problem=f"no answer within {LONGEST_SECONDS:g} s")
        self._tell(database, reading)
        return reading

    def _tell(self, database: Database, reading: Reading) -> None:
        """Log a problem once, not at every scrape."""
        if reading.problem != self._problems.get(database.up.name) and reading.problem is not None:
            logger.warning("%s is 0: %s", database.up.name, reading.problem)
        self._problems[database.up.name] = reading.problem


def render(readings: Mapping[Database, Reading]) -> bytes:
    """The page of these readings."""
    registry = CollectorRegistry()
    for database, reading in readings.items():
        registry.register(_Said(database, reading))
    return generate_latest(registry)


class _Said(Collector):
    """A reading as the library wants it."""

    def __init__(self, database: Database, reading: Reading) -> None:
        self._database = database
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        up = self._database.up
        yield GaugeMetricFamily(up.name, up.about, value=float(self._reading.is_up))
        for source in self._database.sources:
            for family in source.families:
                metric = GaugeMetricFamily(family.name, family.about, labels=source.labels)
                for sample in self._reading.samples:
                    if sample.family == family.name:
                        metric.add_metric(sample.labels, sample.value)
                yield metric
