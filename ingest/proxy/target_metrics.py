"""The targets of aliases and the providers called straight, as metrics: no name comes from a client."""

import os
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from ingest.access.targets import TargetStats
from ingest.proxy.model_names import OTHER

_BREAKER = {"closed": 0, "half_open": 1, "open": 2}


class TargetMetrics:
    """Follows plain numbers: what has grown since the last look is added."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counted: dict[tuple[str, str], int] = {}
        self._shown: set[str] = set()
        self._breakers = Gauge(
            "llm_gateway_breaker_state",
            "0 closed, 1 half open, 2 open.",
            ["target"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._usable = Gauge(
            "llm_gateway_target_usable",
            "1 where calls may go there, 0 where it is disabled or lacks its secret.",
            ["target"],
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._attempts = Counter(
            "llm_gateway_target_attempts",
            "What became of the attempts at a target.",
            ["target", "provider", "model", "outcome"],
            registry=registry,
        )

    def look(self, stats: Sequence[TargetStats]) -> None:
        """Show these targets as they are now; one that is gone is shown no more."""
        for each in stats:
            self._breakers.labels(each.name).set(_BREAKER[each.state])
            self._usable.labels(each.name).set(each.unavailable is None)
            for outcome, count in each.attempts.items():
                known = self._counted.get((each.name, outcome), 0)
                # A target that was changed starts anew.
                grown = count - known if count >= known else count
                self._counted[each.name, outcome] = count
                self._attempts.labels(each.name, each.provider, each.model or OTHER, outcome).inc(grown)
        names = {each.name for each in stats}
        # The files that workers share can drop no label: there a target that is gone stays as it was.
        for gone in self._shown - names if "PROMETHEUS_MULTIPROC_DIR" not in os.environ else ():
            self._breakers.remove(gone)
            self._usable.remove(gone)
        self._shown = names
