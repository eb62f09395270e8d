"""Counters of the proxy, rendered as Prometheus text when asked; labels are bounded by construction."""

from bisect import bisect_left
from collections import Counter, defaultdict

from ingest.spool.writer import Spool

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """Plain numbers. `endpoint` must come from the routing table, never from a client."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._requests: Counter[tuple[str, int]] = Counter()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def answered(self, endpoint: str, *, status: int, seconds: float) -> None:
        """A response (or its abort) after `seconds` from the start of the request."""
        self._requests[endpoint, status] += 1
        buckets = self._buckets.setdefault(endpoint, [0] * (len(_SECONDS) + 1))
        buckets[bisect_left(_SECONDS, seconds)] += 1
        self._seconds[endpoint] += seconds

    def ended(self, endpoint: str, *, outcome: str) -> None:
        """How a call ended: ok, error, client_gone or refused."""
        self._outcomes[endpoint, outcome] += 1

    def render(self, spool: Spool) -> bytes:
        """The page in Prometheus text format 0.0.4."""
        lines = [
            *_family("llm_gateway_requests_total", "counter", self._request_lines()),
            *_family("llm_gateway_calls_total", "counter", self._outcome_lines()),
            *_family("llm_gateway_request_duration_seconds", "histogram", self._duration_lines()),
            *_family("llm_gateway_in_flight", "gauge", [f"llm_gateway_in_flight {self.in_flight}"]),
            *_spool_lines(spool),
        ]
        return ("\n".join(lines) + "\n").encode()

    def _request_lines(self) -> list[str]:
        return [
            f'llm_gateway_requests_total{{endpoint="{endpoint}",status="{status}"}} {count}'
            for (endpoint, status), count in sorted(self._requests.items())
        ]

    def _outcome_lines(self) -> list[str]:
        return [
            f'llm_gateway_calls_total{{endpoint="{endpoint}",outcome="{outcome}"}} {count}'
            for (endpoint, outcome), count in sorted(self._outcomes.items())
        ]

    def _duration_lines(self) -> list[str]:
        name = "llm_gateway_request_duration_seconds"
        lines: list[str] = []
        for endpoint, counts in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*_SECONDS, "+Inf"), counts, strict=True):
                total += count
                lines.append(f'{name}_bucket{{endpoint="{endpoint}",le="{bound}"}} {total}')
            lines.append(f'{name}_sum{{endpoint="{endpoint}"}} {self._seconds[endpoint]:.6f}')
            lines.append(f'{name}_count{{endpoint="{endpoint}"}} {total}')
        return lines


def _family(name: str, kind: str, lines: list[str]) -> list[str]:
    return [f"# TYPE {name} {kind}", *lines]


def _spool_lines(spool: Spool) -> list[str]:
    counters = spool.counters
    totals = {
        "records": counters.records,
        "commits": counters.commits,
        "bytes": counters.bytes_written,
        "refused": counters.refused,
        "rotations": counters.rotations,
        "commit_seconds": f"{counters.commit_seconds:.6f}",
    }
    gauges = {
        "open_calls": spool.open_calls,
        "deferred_ends": spool.deferred_ends,
        "unsealed_segments": spool.unsealed_segments,
        "accepting": int(spool.is_accepting),
    }
    lines: list[str] = []
    for name, value in totals.items():
        full = f"llm_gateway_spool_{name}_total"
        lines += _family(full, "counter", [f"{full} {value}"])
    for name, value in gauges.items():
        full = f"llm_gateway_spool_{name}"
        lines += _family(full, "gauge", [f"{full} {value}"])
    return lines
