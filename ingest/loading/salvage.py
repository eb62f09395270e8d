"""Reading a segment whose file is damaged in places: what can be read is read."""

from dataclasses import replace

from ingest.spool.reader import Batch, Segment, read_records

BATCH_RECORDS = 2000
BATCH_BYTES = 16 << 20
_MOST_SKIPS = 20_000


def read_batch(segment: Segment, *, after_seq: int) -> Batch:
    """The next readable records after `after_seq`; the fault met on the way stands in `segment.fault`.

    SQLite fails on a damaged page and says nothing of the pages behind it, so this comes nearer with
    smaller reads and then steps over records one by one.
    """
    batch = _read(segment, after_seq=after_seq, limit=BATCH_RECORDS)
    if batch.entries or batch.segment.fault is None or _may_pass(batch.segment.fault):
        return batch
    fault = batch.segment.fault
    for limit in (100, 10, 1):
        nearer = _read(segment, after_seq=after_seq, limit=limit)
        if nearer.entries:
            return _with_fault(nearer, fault)
    last_seq = min(segment.last_seq or 0, after_seq + _MOST_SKIPS)
    for skipped in range(after_seq + 1, last_seq):
        beyond = _read(segment, after_seq=skipped, limit=1)
        if beyond.entries:
            return _with_fault(beyond, fault)
    return batch


def is_passing(batch: Batch) -> bool:
    """Whether the fault is one of the moment: the proxy is sealing the file, or it has just gone."""
    fault = batch.segment.fault
    return fault is not None and (_may_pass(fault) or not batch.segment.path.exists())


def _may_pass(fault: str) -> bool:
    return "locked" in fault or "busy" in fault


def _with_fault(batch: Batch, fault: str) -> Batch:
    return replace(batch, segment=replace(batch.segment, fault=fault))


def _read(segment: Segment, *, after_seq: int, limit: int) -> Batch:
    return read_records(segment, after_seq=after_seq, limit=limit, max_bytes=BATCH_BYTES)
