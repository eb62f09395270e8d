"""Verdicts asked for in batches: the requests that wait, and the batches they are cut into."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from evaluators.judging.batches import MOST_BYTES, MOST_REQUESTS
from ingest.uuid7 import uuid7
from orchestration.judging import batches_queries as queries
from orchestration.judging.budget import SPEND, Purse
from orchestration.judging.judges import Judge
from orchestration.judging.writing import RELATION
from orchestration.transactions import writing

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class WantedCall:
    """A call whose content a judge is to be asked about.

    `n_bytes` is its line in a batch's file, `reserved_usd` what the answer may cost (None: nobody knows),
    `tries` how often a judge has been asked about the call in vain.
    """

    call_id: UUID
    started_at: datetime
    content_hash: bytes
    n_bytes: int
    probability: float
    reserved_usd: Decimal | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch as the warehouse knows it; mirrors `evaluation.judge_batches`."""

    id: UUID
    evaluator_version_id: int
    provider: str
    judge_model: str
    base_url: str
    secret_ref: str | None
    state: str
    n_requests: int
    input_file_id: str | None
    create_tried_at: datetime | None
    provider_batch_id: str | None
    provider_status: str | None
    provider_created_at: datetime | None
    submitted_at: datetime | None
    output_file_id: str | None
    error_file_id: str | None
    n_reads: int
    n_problems: int
    problem: str | None
    prepared_at: datetime


@dataclass(frozen=True, slots=True)
class Request:
    """A request: the call it was made from, how often it failed, and which budget pays for it.

    `output` is the form of answer asked for, where it is not the judge's first.
    """

    content_hash: bytes
    started_at: datetime
    call_id: UUID
    attempts: int
    output: str | None
    policy: str
    asked_on: date
    backfill: str | None
    reserved_usd: Decimal | None


def want_verdicts(
    connection: Connection[TupleRow],
    calls: Sequence[WantedCall],
    *,
    judge: Judge,
    purse: Purse,
    newer_than: datetime | None = None,
) -> frozenset[bytes]:
    """Let the calls wait for the judge's verdicts; returns the contents that are asked about anew.

    Not asked about again is what waits for an answer already, and what has a verdict (newer than
    `newer_than`) by now. What the answers may cost counts as spent from here on. Outside a transaction.
    """
    given: dict[str, Any] = {
        "version": judge.evaluator_version_id,
        "model": judge.model,
        "newer_than": newer_than,
        "policy": purse.policy,
        "asked_on": datetime.now(UTC).date(),
        "backfill": purse.subject if purse.scope == "backfill" else None,
        "started_at": [call.started_at for call in calls],
        "call_id": [call.call_id for call in calls],
        "content_hash": [call.content_hash for call in calls],
        "n_bytes": [call.n_bytes for call in calls],
        "reserved_usd": [call.reserved_usd for call in calls],
        "tries": [call.tries for call in calls],
        "inclusion_probability": [call.probability for call in calls],
    }
    with writing(connection, relation=RELATION):
        new = frozenset(row[0] for row in connection.execute(queries.WANT, given).fetchall())
        connection.execute(queries.WAIT, given)
        requests = sent_by(connection, judge, new)
        book(connection, requests, sign=1)
    return new


def book(connection: Connection[TupleRow], requests: Sequence[Request], *, sign: int) -> None:
    """Count what requests may cost as spent (`sign` 1), or no longer (-1), in the caller's transaction.

    On the day they were first asked on, whenever the answer comes: a day's budget is one of asking.
    """
    for policy, asked_on, backfill in sorted(
        {(each.policy, each.asked_on, each.backfill) for each in requests}, key=repr
    ):
        own = [r for r in requests if (r.policy, r.asked_on, r.backfill) == (policy, asked_on, backfill)]
        subjects = [("day", asked_on.isoformat())] + ([("backfill", backfill)] if backfill else [])
        for scope, subject in subjects:
            given = {
                "policy": policy,
                "scope": scope,
                "subject": subject,
                "n_calls": sign * len(own),
                "usd": sign * sum((each.reserved_usd or Decimal(0) for each in own), Decimal(0)),
                "n_unpriced": 0,
            }
            connection.execute(SPEND, given)


def cut_batches(
    connection: Connection[TupleRow],
    *,
    judge: Judge,
    most_requests: int = MOST_REQUESTS,
    most_bytes: int = MOST_BYTES,
) -> list[UUID]:
    """Put all requests that wait for the judge into batches within the API's limits; returns the new ones.

    Each batch is a transaction: from its commit on, its requests belong to it alone.
    """
    made = list[UUID]()
    while True:
        batch_id = uuid7()
        given = {
            "id": batch_id,
            "version": judge.evaluator_version_id,
            "provider": judge.provider,
            "model": judge.model,
            "base_url": judge.base_url,
            "secret_ref": judge.secret_ref,
            "now": datetime.now(UTC),
            "most_requests": min(most_requests, MOST_REQUESTS),
            "most_bytes": min(most_bytes, MOST_BYTES),
        }
        with writing(connection, relation=RELATION):
            n_claimed = connection.execute(queries.CUT, given).rowcount
        if not n_claimed:
            return made
        made.append(batch_id)


def open_batches(connection: Connection[TupleRow], *, now: datetime) -> list[Batch]:
    """Batches that are due to be sent, looked at or collected, the oldest first."""
    with connection.transaction(), connection.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute(queries.OPEN_BATCHES, {"now": now}).fetchall()


def waiting_versions(connection: Connection[TupleRow], *, now: datetime) -> list[int]:
    """Ids of the judge versions that have requests to be put into a batch."""
    with connection.transaction():
        return [row[0] for row in connection.execute(queries.WAITING_VERSIONS, {"now": now}).fetchall()]


def read_batch(connection: Connection[TupleRow], batch_id: UUID) -> Batch:
    """The batch as it is now. Raises LookupError."""
    with connection.transaction(), connection.cursor(row_factory=class_row(Batch)) as cursor:
        batch = cursor.execute(queries.BATCH, {"id": batch_id}).fetchone()
    if batch is None:
        raise LookupError(f"there is no batch {batch_id}")
    return batch


def sent_with(
    connection: Connection[TupleRow], batch: Batch, *, hashes: Sequence[bytes] | None = None
) -> list[Request]:
    """The requests that are still out with the batch, in the file's order; of these contents, or all."""
    given = {"id": batch.id, "version": batch.evaluator_version_id, "hashes": list(hashes or ())}
    query = queries.SENT if hashes is None else queries.OUT_OF_THESE
    with connection.transaction(), connection.cursor(row_factory=class_row(Request)) as cursor:
        return cursor.execute(query, given).fetchall()


def sent_by(connection: Connection[TupleRow], judge: Judge, hashes: frozenset[bytes]) -> list[Request]:
    """The judge's requests of these contents, whatever their state."""
    given = {"version": judge.evaluator_version_id, "hashes": list(hashes)}
    with connection.cursor(row_factory=class_row(Request)) as cursor:
        return cursor.execute(queries.OF_THESE, given).fetchall()


def note_trouble(
    connection: Connection[TupleRow],
    batch: Batch,
    problem: str,
    *,
    pause: timedelta | None = None,
) -> None:
    """Write down why the batch did not get on, to be looked at again after 1, 2, 4 … minutes, at most 60."""
    doubled = FIRST_PAUSE * 2 ** min(batch.n_problems, 10)
    due = datetime.now(UTC) + (pause or min(LONGEST_PAUSE, doubled))
    with connection.transaction():
        connection.execute(queries.TROUBLE, {"id": batch.id, "problem": problem[:500], "next": due})
