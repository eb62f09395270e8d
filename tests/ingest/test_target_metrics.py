"""Targets as metrics: counters only grow, and what is gone is gone."""

from dataclasses import replace

from prometheus_client import CollectorRegistry

from ingest.access.targets import TargetStats
from ingest.proxy.target_metrics import TargetMetrics

STATS = TargetStats(
    name="fast/1",
    alias="fast",
    provider="openai",
    model="m",
    state="closed",
    unavailable=None,
    attempts={"ok": 5, "timeout": 1},
    fallbacks=1,
)


def test_what_has_grown_is_added_and_a_changed_target_starts_anew() -> None:
    registry = CollectorRegistry()
    tested = TargetMetrics(registry)

    def ok() -> float | None:
        labels = {"target": "fast/1", "provider": "openai", "model": "m", "outcome": "ok"}
        return registry.get_sample_value("llm_gateway_target_attempts_total", labels)

    for attempts, total in (({"ok": 5}, 5), ({"ok": 5}, 5), ({"ok": 7}, 7), ({"ok": 2}, 9)):
        tested.look([replace(STATS, attempts=attempts)])  # pyright: ignore[reportArgumentType]
        assert ok() == total


def test_state_and_use_of_a_target_are_shown_while_it_is_there() -> None:
    registry = CollectorRegistry()
    tested = TargetMetrics(registry)

    def shown() -> tuple[float | None, float | None]:
        labels = {"target": "fast/1"}
        return (
            registry.get_sample_value("llm_gateway_breaker_state", labels),
            registry.get_sample_value("llm_gateway_target_usable", labels),
        )

    tested.look([STATS])
    assert shown() == (0, 1)
    tested.look([replace(STATS, state="open", unavailable="it is disabled")])
    assert shown() == (2, 0)
    tested.look([])
    assert shown() == (None, None)
