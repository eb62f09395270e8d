"""One batch of spool records, landed in one transaction with its checkpoint."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.call import Call
from ingest.landing.dead_letters import DeadLetter, bury
from ingest.landing.feedback import land_feedback, opinion_record
from ingest.landing.land import land_prepared, letter_of, retry_conflicts
from ingest.landing.loads import count_load
from ingest.landing.months import ensure_months
from ingest.landing.prepare import prepare
from ingest.landing.reservations import Reservation, in_range, land_reservations
from ingest.landing.result import Reject
from ingest.loading.carried import Carried
from ingest.loading.checkpoints import write_checkpoint
from ingest.loading.delivered import read_delivery
from ingest.loading.landed import interrupted_trail, is_landed
from ingest.loading.open_calls import Trail, find_open, forget, keep_open
from ingest.loading.reserved import ended_by, held_by
from ingest.loading.result import LoaderResult
from ingest.loading.spans import SpanSender
from ingest.loading.turn import Turn
from ingest.loading.twins import hold_twins
from ingest.settings import Settings, landing_range
from ingest.spool.reader import Batch, Entry, Segment
from ingest.spool.records import PARENT_SPAN, Delivery, End, Feedback, Part, Record, Start, encode_record

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Spool:
    """The spool that is drained, and the load it is booked under."""

    spool_id: UUID
    directory: Path
    load_id: UUID
    settings: Settings
    spans: SpanSender | None = None


@dataclass(slots=True)
class Work:
    """What one transaction does: calls that are over, records that wait, letters for what is neither."""

    calls: list[Call] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    over: list[UUID] = field(default_factory=list)
    waiting: list[Start | Part] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    feedback: list[Feedback] = field(default_factory=list)
    reserved: dict[UUID, Reservation] = field(default_factory=dict[UUID, Reservation])
    already_there: int = 0
    parents: dict[str, str] = field(default_factory=dict[str, str])
    """Call id to the id of the client's own span."""

    def reserve(self, reservation: Reservation | None) -> None:
        """Enter what a call holds or has spent; what is said later of the same call stands."""
        if reservation is not None:
            self.reserved[reservation.call_id] = reservation


def load_batch(
    connection: Connection[TupleRow],
    spool: Spool,
    batch: Batch,
    *,
    carried: Carried,
    turn: Turn,
    after_seq: int,
    is_finished: bool,
) -> None:
    """Make `batch` ready and start the transaction that lands what ends in it and moves the checkpoint.

    Calls that are still open are carried on to the next batch of the segment, and the checkpoint stays
    before them; at the segment's end for now, or when they are many, they are kept in the warehouse.
    """
    segment = batch.segment
    work = _sort(connection, spool, batch.entries, segment=segment, carried=carried, turn=turn)
    if segment.fault is not None:
        work.letters.append(_fault_letter(spool, segment))
    if batch.is_end or not batch.entries or carried.is_full:
        work.waiting += carried.release()
        for record in work.waiting:
            work.reserve(held_by(record) if isinstance(record, Start) else None)
    reached = carried.checkpoint(batch.entries[-1].seq if batch.entries else after_seq)

    def finish() -> None:
        keep_open(connection, work.waiting, spool_id=spool.spool_id, owner=segment.owner or "")
        write_checkpoint(
            connection, segment, spool_id=spool.spool_id, loaded_seq=reached, is_finished=is_finished
        )

    turn.start(_transaction(connection, spool, work, finish=finish))


def land_gone(connection: Connection[TupleRow], spool: Spool, trails: Mapping[UUID, Trail]) -> LoaderResult:
    """Land calls whose proxy is gone as `interrupted`, with the text their client may have seen."""
    work = Work(over=[*trails])
    for call_id, trail in trails.items():
        call = trail.call()
        if call is not None:
            work.calls.append(call)
            work.places.append("left open")
            work.reserve(ended_by(trail))
        elif not is_landed(connection, call_id):
            work.letters += [_stray(spool, record, place="left open") for record in trail.parts.values()]
    return _transaction(connection, spool, work, finish=lambda: None)()


def report_gap(connection: Connection[TupleRow], spool: Spool, first: int, last: int) -> LoaderResult:
    """Say, once, that segments which this warehouse never had are not in the spool any more."""
    detail = (
        f"segments {first} to {last} were deleted before this database had them: "
        "restore the one they were loaded into, or import their calls from its archive"
    )
    logger.error("spool %s: %s", spool.directory, detail)
    record = f"{spool.spool_id} {first} {last}".encode()
    letter = _letter(spool, "missing_segments", detail, f"{first:010d}", record)
    with connection.transaction():
        return LoaderResult(rejected=bury(connection, [letter], load_id=spool.load_id))


def _sort(
    connection: Connection[TupleRow],
    spool: Spool,
    entries: Iterable[Entry],
    *,
    segment: Segment,
    carried: Carried,
    turn: Turn,
) -> Work:
    work, ended = Work(), dict[bytes, tuple[Trail, int]]()
    for entry in entries:
        record = entry.record
        if record is None or entry.error is not None:
            reason = "unreadable_record" if record is None else "lost_body"
            place = _place(segment, entry.seq)
            work.letters.append(_letter(spool, reason, entry.error or "", place, entry.payload))
        if isinstance(record, End):
            trail, _ = ended.setdefault(entry.call_id, (carried.take(entry.call_id), entry.seq))
            trail.end = record
        elif isinstance(record, Start | Part):
            carried.add(entry.call_id, record, seq=entry.seq)
        elif isinstance(record, Delivery):
            _deliver(spool, work, record, place=_place(segment, entry.seq))
        elif record is not None:
            work.feedback.append(record)
    lost = [trail.end.call_id for trail, _ in ended.values() if trail.end and trail.start is None]
    if lost:
        turn.wait()
    known = find_open(connection, lost)
    for trail, seq in ended.values():
        if trail.end is not None:
            earlier = known.get(trail.end.call_id) if trail.start is None else None
            _finish(connection, spool, work, _joined(earlier, trail), place=_place(segment, seq))
    return work


def _place(segment: Segment, seq: int) -> str:
    return f"{segment.path.name} seq {seq}"


def _deliver(spool: Spool, work: Work, delivery: Delivery, *, place: str) -> None:
    """Enter finished calls that were handed in."""
    earliest, latest = landing_range(spool.settings.start, now=datetime.now(UTC))
    calls, letters = read_delivery(
        delivery, origin=str(spool.directory), place=place, earliest=earliest, latest=latest
    )
    work.calls += calls
    work.places += [place] * len(calls)
    work.letters += letters


def _finish(connection: Connection[TupleRow], spool: Spool, work: Work, trail: Trail, *, place: str) -> None:
    """Enter a call that has its END; without its START, see what the warehouse knows of it."""
    end = trail.end
    if end is None:
        return
    work.over.append(end.call_id)
    if trail.start is None:
        trail = _joined(interrupted_trail(connection, end.call_id), trail)
    call = trail.call()
    if call is not None:
        work.calls.append(call)
        work.places.append(place)
        work.reserve(ended_by(trail))
        if trail.start is not None and (parent := trail.start.observer.get(PARENT_SPAN)):
            work.parents[str(call.call_id)] = parent
    elif is_landed(connection, end.call_id):
        work.already_there += 1
    else:
        work.letters += [_stray(spool, record, place=place) for record in (*trail.parts.values(), end)]


def _joined(earlier: Trail | None, later: Trail) -> Trail:
    if earlier is None:
        return later
    return Trail(
        start=earlier.start or later.start,
        parts={**earlier.parts, **later.parts},
        end=later.end or earlier.end,
    )


def _transaction(
    connection: Connection[TupleRow], spool: Spool, work: Work, *, finish: Callable[[], None]
) -> Callable[[], LoaderResult]:
    """What lands `work`, with all made ready that needs no database."""
    earliest, latest = landing_range(spool.settings.start, now=datetime.now(UTC))
    prepared = prepare(work.calls, load_id=spool.load_id, earliest=earliest, latest=latest)
    reserved = in_range(work.reserved.values(), earliest=earliest, latest=latest)
    months = sorted({*prepared.months, *(each.month for each in reserved)})

    def letter(reject: Reject) -> DeadLetter:
        call, place = work.calls[reject.index], work.places[reject.index]
        return letter_of(call, reject, origin=str(spool.directory), position=place)

    def transaction() -> LoaderResult:
        with connection.transaction():
            landing = land_prepared(connection, prepared, load_id=spool.load_id, letter=letter)
            hold_twins(connection, work.calls)
            land_reservations(connection, reserved, spool_id=spool.spool_id)
            letters = [*work.letters, *_land_feedback(connection, spool, work)]
            bury(connection, letters, load_id=spool.load_id)
            forget(connection, work.over)
            finish()
            count_load(connection, spool.load_id, landing, refused=len(letters))
        return LoaderResult(
            landed=landing.landed,
            already_there=landing.already_there + work.already_there,
            rejected=len(landing.rejected) + len(letters),
        )

    def commit() -> LoaderResult:
        ensure_months(connection, months)
        result = retry_conflicts(connection, transaction)
        if spool.spans is not None and result.landed:
            spool.spans.offer(work.calls, parents=work.parents)
        return result

    return commit


def _land_feedback(connection: Connection[TupleRow], spool: Spool, work: Work) -> list[DeadLetter]:
    """Land what people said; letters for what contradicts an opinion of the same moment."""
    result = land_feedback(connection, work.feedback)
    detail = "this call has an opinion of this name and time that says something else"
    return [
        _letter(spool, "conflicting_feedback", detail, str(opinion.call_id), opinion_record(opinion))
        for opinion in result.conflicting
    ]


def _stray(spool: Spool, record: Record, *, place: str) -> DeadLetter:
    detail = f"call {record.call_id} has no START, here or in the warehouse"
    return _letter(spool, "without_start", detail, place, encode_record(record))


def _fault_letter(spool: Spool, segment: Segment) -> DeadLetter:
    fault = segment.fault or ""
    record = f"{segment.uuid} {fault}".encode()
    return _letter(spool, "damaged_segment", fault, segment.path.name, record)


def _letter(spool: Spool, reason: str, detail: str, place: str, record: bytes) -> DeadLetter:
    return DeadLetter(
        source="proxy",
        origin=str(spool.directory),
        position=place,
        reason=reason,
        detail=detail,
        record=record,
    )
