"""What every way through the proxy works with."""

from dataclasses import dataclass

from ingest.proxy.bounds import Limits
from ingest.proxy.gate import Gate
from ingest.proxy.metrics import Metrics
from ingest.proxy.surroundings import Ports
from ingest.proxy.upstream import Upstream
from ingest.spool.writer import Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class Works:
    """One proxy's parts: made once, open for as long as its lifespan."""

    upstream: Upstream
    spool: Spool
    ports: Ports
    limits: Limits
    metrics: Metrics
    gate: Gate
