"""What the proxy counts, as Prometheus metrics; every label is bounded by construction.

Values live in this process, or, where `PROMETHEUS_MULTIPROC_DIR` is set, in files that all workers of a proxy
share, so that whichever worker is scraped answers for all of them.
"""

import asyncio
import math
import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector

from evaluators.usage import BUCKETS, Unbucketed, count_tokens
from ingest.access.targets import TargetStats
from ingest.providers.base import Reading
from ingest.proxy.model_names import OTHER, ModelNames
from ingest.proxy.spool_metrics import SpoolMetrics
from ingest.proxy.tally import Tally
from ingest.proxy.target_metrics import TargetMetrics
from ingest.proxy.used import Used
from ingest.spool.writer import Spool

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4.encode()
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)
_LAG_PERIOD = 0.25


class Ended(msgspec.Struct, frozen=True):
    """A relayed call, as the metrics see it. `model` is the plan's bounded name, `used` what each attempt
    used that says it."""

    endpoint: str
    model: str
    http_status: int
    ttft_ms: float | None
    reading: Reading | None
    used: Sequence[Used]
    attempts: Sequence[dict[str, Any]]


class Metrics:
    """The counters of one proxy process. `endpoint` must come from the routing table, never from a client."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._n_running = 0
        self._tally = Tally()
        self._models = ModelNames()
        self._lag_timer: asyncio.TimerHandle | None = None
        self._spool = SpoolMetrics(registry)
        self._requests = Counter(
            "llm_gateway_requests",
            "Responses, aborted ones too.",
            ["endpoint", "status"],
            registry=registry,
        )
        self._outcomes = Counter(
            "llm_gateway_calls", "Calls by how they ended.", ["endpoint", "outcome"], registry=registry
        )
        self._handed_in = Counter(
            "llm_gateway_intake_items",
            "Calls, spans and opinions handed in.",
            ["kind", "outcome"],
            registry=registry,
        )
        self._duration = _children(
            Histogram(
                "llm_gateway_request_duration_seconds",
                "From the request's head to the last byte of the answer.",
                ["endpoint", "model"],
                buckets=_SECONDS,
                registry=registry,
            )
        )
        self._first_token = _children(
            Histogram(
                "llm_gateway_time_to_first_token_seconds",
                "From START to the first byte of a stream.",
                ["model"],
                buckets=_SECONDS,
                registry=registry,
            )
        )
        self._tokens = Counter(
            "llm_gateway_token_usage",
            "Tokens by exclusive kind, as the provider counted them; of failed attempts that say them, too.",
            ["provider", "model", "kind"],
            registry=registry,
        )
        self._cost = Counter(
            "llm_gateway_cost_usd",
            "USD of priced attempts, at the prices in force when their calls were made.",
            ["provider", "model"],
            registry=registry,
        )
        self._unpriced = Counter(
            "llm_gateway_unpriced_calls",
            "Answers, and failures that say a usage, nobody can price yet: missing from the cost, not free.",
            ["provider", "model"],
            registry=registry,
        )
        self._attempts = Counter(
            "llm_gateway_attempts", "Provider attempts.", ["provider", "outcome"], registry=registry
        )
        self._fallbacks = Counter(
            "llm_gateway_fallbacks",
            "Calls that took more than one attempt.",
            ["model"],
            registry=registry,
        )
        self._refusals = Counter(
            "llm_gateway_refusals", "Requests the proxy refused itself.", ["kind"], registry=registry
        )
        self._targets = TargetMetrics(registry)
        self._in_flight = Gauge(
            "llm_gateway_in_flight", "Calls now running.", registry=registry, multiprocess_mode="livesum"
        )
        self._lag = Histogram(
            "llm_gateway_event_loop_lag_seconds",
            "How late a timer of 250 ms fires.",
            buckets=_LAG_SECONDS,
            registry=registry,
        )
        self._snapshot_age = Gauge(
            "llm_gateway_access_snapshot_age_seconds",
            "Since models, keys and limits were last known to be current.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._shared_up = Gauge(
            "llm_gateway_shared_limits_up",
            "1 while Redis answers, where limits are shared; 0 for the whole proxy if one worker lost it.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._shared_up.set(math.nan)
        self._shared_failures = Counter(
            "llm_gateway_shared_limits_failures", "Commands that Redis did not answer.", registry=registry
        )
        self._n_shared_failures = 0

    def began(self) -> None:
        self._n_running += 1

    def over(self, endpoint: str, *, outcome: str) -> None:
        """How a call ended: ok, error, client_gone or refused."""
        self._n_running -= 1
        self._tally.add(self._outcomes, endpoint, outcome)

    def answered(self, endpoint: str, *, status: int, seconds: float, model: str = OTHER) -> None:
        """A response (or its abort) after `seconds` from the start of the request."""
        self._tally.add(self._requests, endpoint, str(status))
        self._duration(endpoint, model).observe(seconds)

    def refused(self, kind: str) -> None:
        """`kind` is one of ours, as in the error body."""
        self._tally.add(self._refusals, kind)

    def handed_in(self, kind: str, outcome: str, number: int, /) -> None:
        """What became of calls, spans and opinions at the intake's endpoints."""
        self._tally.add(self._handed_in, kind, outcome, by=number)

    def ended(self, call: Ended) -> str:
        """Count what a relayed call used; the bounded name of its model."""
        served = _answering(call) if call.http_status < 300 else None
        model = self._models.name(call.model, served=served)
        if call.ttft_ms is not None:
            self._first_token(model).observe(call.ttft_ms / 1000)
        if len(call.attempts) > 1:
            self._tally.add(self._fallbacks, model)
        for attempt in call.attempts:
            self._tally.add(self._attempts, attempt["provider"], _attempt_outcome(attempt))
        for used in call.used:
            # A failure that says no usage is no call that lacks a price.
            if call.http_status < 300 or used.reading.usage is not None:
                self._used(used, endpoint=call.endpoint, model=model)
        return model

    def targets(self, stats: Sequence[TargetStats]) -> None:
        """What the router knows of its targets by now."""
        self._targets.look(stats)

    def snapshot_age(self, seconds: float) -> None:
        self._snapshot_age.set(seconds)

    def shared_limits(self, *, is_up: bool, failures: int) -> None:
        """Whether Redis answers by now, and how often it did not since the start."""
        self._shared_up.set(is_up)
        self._shared_failures.inc(failures - self._n_shared_failures)
        self._n_shared_failures = failures

    def watch(self, spool: Spool) -> None:
        """Measure the running loop's lag and look at the spool from now on, until `stop`."""
        loop = asyncio.get_running_loop()
        due = loop.time() + _LAG_PERIOD

        def fired() -> None:
            self._lag.observe(max(0.0, loop.time() - due))
            # Also without being scraped: another worker may be asked for all.
            self._look(spool)
            self.watch(spool)

        self._lag_timer = loop.call_at(due, fired)

    def stop(self) -> None:
        self._tally.flush()
        if self._lag_timer is not None:
            self._lag_timer.cancel()

    def render(self, spool: Spool) -> bytes:
        """The page in Prometheus text format 0.0.4."""
        self._look(spool)
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # pyright: ignore[reportUnknownMemberType, reportArgumentType]
        return generate_latest(shared)

    def _look(self, spool: Spool) -> None:
        self._tally.flush()
        self._in_flight.set(self._n_running)
        self._spool.look(spool)

    def _used(self, used: Used, *, endpoint: str, model: str) -> None:
        provider = used.target.provider
        counts = count_tokens(used.reading.usage, provider=provider, endpoint=endpoint)
        if not isinstance(counts, Unbucketed):
            for kind, count in zip(BUCKETS, counts, strict=True):
                if count:
                    self._tally.add(self._tokens, provider, model, kind, by=count)
        if used.cost_usd is None:
            self._tally.add(self._unpriced, provider, model)
        else:
            self._tally.add(self._cost, provider, model, by=float(used.cost_usd))


def _children(metric: Histogram) -> Callable[..., Histogram]:
    """`metric.labels`, remembered: the library's own takes a lock and makes strings each time."""
    return cache(metric.labels)


def _answering(call: Ended) -> str | None:
    """The model that an answer names, or, of one that names none but counts tokens, the one that was asked
    for: images and transcriptions."""
    if call.reading is None or call.reading.served_model is not None:
        return call.reading and call.reading.served_model
    return call.used[-1].target.model if call.used and call.reading.usage is not None else None


def _attempt_outcome(attempt: dict[str, Any]) -> str:
    status = attempt.get("status")
    if status is None:
        return str(attempt.get("error_type") or "no_answer")
    if status < 400:
        return "ok"
    return "http_429" if status == 429 else f"http_{status // 100}xx"
