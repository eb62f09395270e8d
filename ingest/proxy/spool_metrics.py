"""The spool's own figures on the metrics page."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from ingest.spool.writer import Spool

_COUNTED = {
    "records": "Records committed.",
    "commits": "Commits, each of the records of one turn of the loop.",
    "bytes_written": "Bytes of records committed.",
    "large_bodies": "Bodies written to files of their own.",
    "refused": "Records the disk did not take.",
    "shed": "Records that went in without their body for want of room.",
    "unlogged": "Calls served without a row, where that is configured.",
    "rotations": "Segments begun.",
    "commit_seconds": "Seconds spent in commits.",
}
_LEVELS = {
    "unsealed_seconds": "Age of the oldest record that a power cut may take (mode `process`).",
    "quarantined_segments": "Segments set aside because they cannot be read.",
    "open_calls": "Calls without an END.",
    "deferred_ends": "ENDs in memory that the disk has refused so far.",
    "unsealed_segments": "Full segments that are not sealed yet.",
    "accepting": "1 while new calls are logged.",
    "shedding": "1 while bodies are dropped for want of room.",
    "bytes": "Bytes of the spool on disk.",
    "unloaded_seconds": "Age of the oldest record no loader has taken.",
    "outage_hours_left": "Hours of a database outage the disk still holds at the present rate.",
}


class SpoolMetrics:
    """The spool keeps the numbers; `look` carries them over."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counted = {
            name: Counter(f"llm_gateway_spool_{name}", text, registry=registry)
            for name, text in _COUNTED.items()
        }
        self._seen: dict[str, float] = dict.fromkeys(_COUNTED, 0.0)
        self._levels = {
            name: Gauge(f"llm_gateway_spool_{name}", text, registry=registry, multiprocess_mode="livemax")
            for name, text in _LEVELS.items()
        }

    def look(self, spool: Spool) -> None:
        """Bring the metrics up to the spool's present numbers."""
        for name, counter in self._counted.items():
            now = float(getattr(spool.counters, name))
            counter.inc(max(0.0, now - self._seen[name]))
            self._seen[name] = now
        levels: dict[str, float | None] = {
            "unsealed_seconds": spool.unsealed_seconds,
            "quarantined_segments": spool.quarantined_segments,
            "open_calls": spool.open_calls,
            "deferred_ends": spool.deferred_ends,
            "unsealed_segments": spool.unsealed_segments,
            "accepting": spool.is_accepting,
            "shedding": spool.is_shedding,
            "bytes": spool.bytes_on_disk,
            "unloaded_seconds": spool.unloaded_seconds,
            "outage_hours_left": spool.room.hours_left,
        }
        for name, value in levels.items():
            self._levels[name].set(float("nan") if value is None else float(value))
