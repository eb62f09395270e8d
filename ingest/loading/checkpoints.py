"""How far each spool and each of its segments has been loaded."""

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.loading.assembly import moment
from ingest.spool.reader import Segment

_READ = """
select segment_id, loaded_seq, finished_at is not null, problem
from ingest.segments
where segment_id = any (%s)
"""
_WRITE = """
insert into ingest.segments (
    segment_id, spool_id, number, loaded_seq, row_count, last_seq, problem, sealed_at, finished_at
)
values (
    %(segment_id)s, %(spool_id)s, %(number)s, %(loaded_seq)s, %(row_count)s, %(last_seq)s, %(problem)s,
    %(sealed_at)s, case when %(is_finished)s then now() end
)
on conflict (segment_id) do update
set loaded_seq = greatest(segments.loaded_seq, excluded.loaded_seq),
    row_count = excluded.row_count,
    last_seq = excluded.last_seq,
    problem = coalesce(excluded.problem, segments.problem),
    sealed_at = excluded.sealed_at,
    finished_at = coalesce(segments.finished_at, excluded.finished_at),
    updated_at = now()
"""
_SEE = """
insert into ingest.spools (spool_id, host, path, low_watermark, retired_at)
values (%(spool_id)s, %(host)s, %(path)s, %(low_watermark)s, case when %(is_retired)s then now() end)
on conflict (spool_id) do update
set low_watermark = greatest(spools.low_watermark, excluded.low_watermark),
    seen_at = now(),
    retired_at = excluded.retired_at
"""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`loaded_seq` is the last record whose transaction has committed."""

    loaded_seq: int = 0
    is_finished: bool = False
    problem: str | None = None


def read_checkpoints(
    connection: Connection[TupleRow], segment_ids: Iterable[UUID]
) -> Mapping[UUID, Checkpoint]:
    """The checkpoints of these segments, where there are any."""
    rows = connection.execute(_READ, ([*segment_ids],)).fetchall()
    return {segment_id: Checkpoint(*rest) for segment_id, *rest in rows}


def last_number(connection: Connection[TupleRow], spool_id: UUID) -> int:
    """The highest number of a segment of this spool that the warehouse knows; 0 if it knows none."""
    query = "select coalesce(max(number), 0) from ingest.segments where spool_id = %s"
    row = connection.execute(query, (spool_id,)).fetchone()
    return 0 if row is None else row[0]


def write_checkpoint(
    connection: Connection[TupleRow], segment: Segment, *, spool_id: UUID, loaded_seq: int, is_finished: bool
) -> None:
    """Move the segment's checkpoint, never back, in the transaction that landed its records."""
    connection.execute(
        _WRITE,
        {
            "segment_id": segment.uuid,
            "spool_id": spool_id,
            "number": segment.number,
            "loaded_seq": loaded_seq,
            "row_count": segment.row_count,
            "last_seq": segment.last_seq,
            "problem": segment.fault,
            "sealed_at": None if segment.sealed_at_ns is None else moment(segment.sealed_at_ns),
            "is_finished": is_finished,
        },
    )


def see_spool(
    connection: Connection[TupleRow],
    spool_id: UUID,
    *,
    directory: Path,
    low_watermark_ns: int | None,
    is_retired: bool,
) -> None:
    """Enter the spool and how far all its calls are over and landed.

    A retired spool holds no day open: its proxy is gone and all it left has landed.
    """
    values = {
        "spool_id": spool_id,
        "host": socket.gethostname(),
        "path": str(directory),
        "low_watermark": None if low_watermark_ns is None else moment(low_watermark_ns),
        "is_retired": is_retired,
    }
    connection.execute(_SEE, values)
