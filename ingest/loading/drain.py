"""One pass over a spool: every segment from its checkpoint to its end, then the calls left open."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.loading.batch import Spool, land_gone, load_batch, report_gap
from ingest.loading.carried import Carried
from ingest.loading.checkpoints import Checkpoint, last_number, read_checkpoints, see_spool
from ingest.loading.open_calls import find_gone
from ingest.loading.result import LoaderResult
from ingest.loading.salvage import is_passing, read_batch
from ingest.loading.turn import Turn
from ingest.spool.reader import Segment, current_owner, list_segments, low_watermark
from ingest.spool.retention import unlink_sealed
from ingest.spool.usage import say_loaded

_NEW = Checkpoint()


@dataclass(frozen=True, slots=True)
class Pass:
    """`is_complete`: everything that stood in the spool when the pass began is settled."""

    result: LoaderResult
    is_complete: bool


def drain(
    connection: Connection[TupleRow], spool: Spool, *, stop: Event, replay: bool = False, keep: bool = False
) -> Pass:
    """Load what is new in the spool (`replay`: all that is on disk), and delete what may go (unless `keep`).

    The proxy and its watermark are asked before the records are read, so that nothing can slip between.
    """
    began_ns = time.time_ns()
    owner, watermark = current_owner(spool.directory), low_watermark(spool.directory)
    segments = list_segments(spool.directory)
    checkpoints = read_checkpoints(connection, (segment.uuid for segment in segments))
    result, is_complete = LoaderResult(), True
    if (gap := _gap(connection, spool, segments, known=checkpoints)) is not None:
        result += report_gap(connection, spool, *gap)
    for segment in segments:
        checkpoint = checkpoints.get(segment.uuid, _NEW)
        if checkpoint.is_finished and not replay:
            continue
        loaded, is_settled = _load_segment(
            connection, spool, segment, _NEW if replay else checkpoint, stop=stop
        )
        result += loaded
        if not is_settled:
            # Not past it: an END of the next segment would come before its START of this one.
            is_complete = False
            break
    if is_complete:
        # Asked again, because a proxy that started meanwhile has calls open that are not gone.
        alive = {epoch for epoch in (owner, current_owner(spool.directory)) if epoch is not None}
        result += _land_gone(connection, spool, alive=alive)
        see_spool(
            connection,
            spool.spool_id,
            directory=spool.directory,
            low_watermark_ns=watermark,
            is_retired=not alive,
        )
    if is_complete and not keep:
        say_loaded(spool.directory, at_ns=began_ns)
    if not keep:
        _unlink(connection, spool, segments)
    return Pass(result, is_complete)


def _gap(
    connection: Connection[TupleRow],
    spool: Spool,
    segments: tuple[Segment, ...],
    *,
    known: Mapping[UUID, Checkpoint],
) -> tuple[int, int] | None:
    """The first and last number of segments that are gone though this warehouse never had them.

    That is so after a failover to an older or empty database: they were deleted once the other had them.
    """
    whole = [segment for segment in segments if segment.fault is None]
    new = next((segment for segment in whole if segment.uuid not in known), None)
    if new is None or any(segment.number == new.number - 1 for segment in whole):
        return None
    last = last_number(connection, spool.spool_id)
    return (last + 1, new.number - 1) if new.number > last + 1 else None


def _load_segment(
    connection: Connection[TupleRow],
    spool: Spool,
    segment: Segment,
    checkpoint: Checkpoint,
    *,
    stop: Event,
) -> tuple[LoaderResult, bool]:
    """Load a segment to its end; False if it was stopped on the way or is locked at the moment."""
    after_seq, problem = checkpoint.loaded_seq, checkpoint.problem
    carried, is_settled = Carried(), False
    with Turn() as turn:
        while not stop.is_set():
            batch = read_batch(segment, after_seq=after_seq)
            if is_passing(batch):
                break
            is_finished = batch.is_end and batch.segment.is_sealed
            fault = batch.segment.fault
            if batch.entries or is_finished or fault != problem:
                load_batch(
                    connection,
                    spool,
                    batch,
                    carried=carried,
                    turn=turn,
                    after_seq=after_seq,
                    is_finished=is_finished,
                )
            if batch.is_end or not batch.entries:
                is_settled = True
                break
            after_seq, problem = batch.entries[-1].seq, fault or problem
    return turn.result, is_settled


def _land_gone(connection: Connection[TupleRow], spool: Spool, *, alive: set[str]) -> LoaderResult:
    trails = find_gone(connection, spool_id=spool.spool_id, alive=alive)
    return land_gone(connection, spool, trails) if trails else LoaderResult()


def _unlink(connection: Connection[TupleRow], spool: Spool, segments: tuple[Segment, ...]) -> None:
    """Delete what `LQO_SPOOL_KEEP` lets go of the segments whose every record is committed; damaged stay."""
    checkpoints = read_checkpoints(connection, (segment.uuid for segment in segments))
    loaded: set[UUID] = {
        segment_id
        for segment_id, checkpoint in checkpoints.items()
        if checkpoint.is_finished and checkpoint.problem is None
    }
    unlink_sealed(
        spool.directory,
        loaded=loaded,
        keep_hours=spool.settings.spool_keep_hours,
        max_bytes=spool.settings.spool_keep_bytes,
    )
