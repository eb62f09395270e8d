"""Names of the series that the running stack exports, from its own registries; nothing is started for it."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from ingest.loading.metrics import LoaderMetrics
from ingest.proxy.metrics import Metrics
from reports.metrics.exporter import render
from reports.metrics.reading import Reading
from reports.metrics.scheduler import SCHEDULER
from reports.metrics.warehouse import WAREHOUSE

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def proxy_series() -> set[str]:
    # The library has no public way to a registry that only renders; the page lacks families without children.
    registry: CollectorRegistry = Metrics()._registry
    return _series(registry.collect())


def loader_series() -> set[str]:
    return _series(LoaderMetrics().registry.collect())


def api_series() -> set[str]:
    nothing = Reading(is_up=True)
    page = render({WAREHOUSE: nothing, SCHEDULER: nothing}).decode()
    return _series(text_string_to_metric_families(page))


def _series(families: Iterable[Metric]) -> set[str]:
    return {family.name + suffix for family in families for suffix in _SUFFIXES[family.type]}
