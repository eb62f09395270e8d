"""Collecting a batch: what it answered is read through the direct way's reader, what it did not is retried.

Reading twice changes nothing, as only requests that are still out with the batch are settled. What is paid
for is not given up lightly: a file that is shorter than it should be is fetched again before the requests it
lacks are asked again.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, Final, Literal
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.batches import Executed, NotExecuted, Unreadable, content_of, read_result
from orchestration.judging import batches_queries as queries
from orchestration.judging.batches import Batch, Request, note_trouble, read_batch, sent_with
from orchestration.judging.batches_desk import BatchDesk
from orchestration.judging.batches_provider import (
    BatchEndpoint,
    BatchEndpointError,
    LineProblem,
    RemoteBatch,
)
from orchestration.judging.batches_settle import settle_executed, settle_unexecuted
from orchestration.judging.batches_submit import end_batch, holding
from orchestration.judging.writing import MAX_TRIES

CHUNK_RESULTS: Final = 200
MOST_READS: Final = 5
FIRST_REREAD: Final = timedelta(minutes=2)
# The longest line that is held in memory; an answer of a judge is a few kilobytes.
MOST_LINE_BYTES: Final = 32 << 20
# A provider keeps a batch for weeks; one that it does not know two days on will not come back.
LOST_AFTER: Final = timedelta(hours=48)

# Too much is queued at the provider, or the account is empty: nothing is wrong with the requests.
_FULL: Final = frozenset(
    {
        *("token_limit_exceeded", "enqueued_token_limit_exceeded", "request_limit_exceeded"),
        *("billing_hard_limit_reached", "insufficient_quota"),
    }
)

Collected = Literal["collected", "runs", "read_again", "waits", "busy"]
Result = Executed | NotExecuted


@dataclass(slots=True)
class _Reading:
    """What a batch's files held: contents with a result, answers among these, lines that settled nothing, and
    lines that cannot be read."""

    seen: set[bytes] = field(default_factory=set[bytes])
    n_answers: int = 0
    n_ignored: int = 0
    n_unreadable: int = 0
    is_short: bool = False
    problem: str | None = None


def look_at(connection: Connection[TupleRow], batch: Batch, *, endpoint: BatchEndpoint) -> RemoteBatch:
    """Ask the provider how the batch is getting on, and write it down. Raises BatchEndpointError."""
    assert batch.provider_batch_id is not None
    remote = endpoint.retrieve(batch.provider_batch_id)
    now = datetime.now(UTC)
    given = {
        "id": batch.id,
        "status": remote.status,
        "created_at": remote.created_at,
        "expires_at": remote.expires_at,
        "output_file_id": remote.output_file_id,
        "error_file_id": remote.error_file_id,
        "has_ended": remote.has_ended,
        "now": now,
        "next": now if remote.has_ended else now + poll_pause(now - remote.created_at),
    }
    with connection.transaction():
        connection.execute(queries.SEEN, given)
    return remote


def poll_pause(age: timedelta) -> timedelta:
    """How long a batch of this age is left alone: a tenth of it, between one and ten minutes."""
    return min(timedelta(minutes=10), max(timedelta(minutes=1), age / 10))


def collect_batch(desk: BatchDesk, batch_id: UUID) -> Collected:
    """Write what the batch answered, once it has ended, and let the rest wait for another or give it up."""
    with holding(desk.connection, batch_id) as is_ours:
        if not is_ours:
            return "busy"
        batch = read_batch(desk.connection, batch_id)
        if batch.state != "submitted":
            return "collected"
        try:
            remote = look_at(desk.connection, batch, endpoint=desk.endpoint)
            if not remote.has_ended:
                return "runs"
            return _collect(desk, read_batch(desk.connection, batch_id), remote)
        except BatchEndpointError as error:
            if error.status == 404 and _age(batch) > LOST_AFTER:
                return _finish(desk, batch, code="batch_lost", problem=str(error))
            note_trouble(desk.connection, batch, str(error))
            return "waits"


def _collect(desk: BatchDesk, batch: Batch, remote: RemoteBatch) -> Collected:
    if remote.status == "failed":
        return _refused(desk, batch, remote.problems)
    reading = _read_files(desk, batch, remote)
    is_whole = not reading.is_short and not reading.n_unreadable and reading.n_answers >= remote.n_completed
    if not is_whole and sent_with(desk.connection, batch) and batch.n_reads + 1 < MOST_READS:
        now = datetime.now(UTC)
        problem = reading.problem or "its results are not whole"
        given = {"id": batch.id, "problem": problem[:500], "next": now + FIRST_REREAD * 2**batch.n_reads}
        with desk.connection.transaction():
            desk.connection.execute(queries.READ_AGAIN, given)
        return "read_again"
    codes = {"expired": "batch_expired", "cancelled": "batch_cancelled"}
    problem = None if is_whole else reading.problem or "its results were not whole"
    finished = _finish(desk, batch, code=codes.get(remote.status, "no_result"), problem=problem)
    files = (batch.input_file_id, remote.output_file_id, remote.error_file_id)
    desk.endpoint.delete(file_id for file_id in files if file_id is not None)
    return finished


def _read_files(desk: BatchDesk, batch: Batch, remote: RemoteBatch) -> _Reading:
    reading = _Reading()
    for file_id in (remote.output_file_id, remote.error_file_id):
        if file_id is None:
            continue
        with tempfile.TemporaryFile() as file:  # it has no name, so a kill leaves nobody's text behind
            try:
                reading.is_short |= not desk.endpoint.download(file_id, file)
            except BatchEndpointError as error:
                if error.status != 404:
                    raise
                reading.is_short = True
                reading.problem = str(error)
                continue
            file.seek(0)
            _read_file(desk, batch, file, reading)
    with desk.connection.transaction():
        desk.connection.execute(queries.IGNORED, {"id": batch.id, "n_ignored": reading.n_ignored})
    return reading


def _read_file(desk: BatchDesk, batch: Batch, file: BinaryIO, reading: _Reading) -> None:
    chunk = dict[bytes, Result]()
    for line in _lines(file):
        result = read_result(line)
        if isinstance(result, Unreadable):
            reading.n_unreadable += 1
            reading.problem = f"a line of its results cannot be read: {result.detail}"
            continue
        content = content_of(result.custom_id, version=desk.version)
        if content is None or content in reading.seen:
            reading.n_ignored += 1
            continue
        reading.seen.add(content)
        reading.n_answers += isinstance(result, Executed) and result.status < 300
        chunk[content] = result
        if len(chunk) == CHUNK_RESULTS:
            reading.n_ignored += _settle(desk, batch, chunk)
            chunk = {}
    reading.n_ignored += _settle(desk, batch, chunk)


def _settle(desk: BatchDesk, batch: Batch, results: dict[bytes, Result]) -> int:
    """Settle what is still out; returns how many results were nobody's, or settled before."""
    requests = sent_with(desk.connection, batch, hashes=list(results))
    executed = list[tuple[Request, Executed]]()
    unexecuted = list[tuple[Request, NotExecuted]]()
    for request in requests:
        result = results[request.content_hash]
        if isinstance(result, Executed):
            executed.append((request, result))
        else:
            unexecuted.append((request, result))
    settle_executed(desk, batch, executed)
    settle_unexecuted(desk, batch, unexecuted)
    return len(results) - len(requests)


def _refused(desk: BatchDesk, batch: Batch, problems: Sequence[LineProblem]) -> Collected:
    """The provider did not take the file: the lines it names are given up, the others are sent again."""
    requests = sent_with(desk.connection, batch)
    by_line = {problem.line: problem for problem in problems if problem.line is not None}
    named, others = list[tuple[Request, NotExecuted]](), list[tuple[Request, NotExecuted]]()
    general = next((problem for problem in problems if problem.line is None), None)
    for number, request in enumerate(requests, start=1):
        problem = by_line.get(number) or general
        code = problem.code if problem else "batch_failed"
        why = NotExecuted("", code, problem.message if problem else "", is_cancelled=False)
        (named if number in by_line else others).append((request, why))
    # The last try: the provider would refuse the same line again, and every batch with it.
    settle_unexecuted(desk, batch, named, n_tries=MAX_TRIES)
    is_full = general is not None and general.code in _FULL
    if named and not is_full:
        settle_unexecuted(desk, batch, others, n_tries=0, pause=timedelta(0))
    else:
        settle_unexecuted(desk, batch, others, n_tries=0 if is_full else 1)
    told = "; ".join(f"{problem.code}: {problem.message}" for problem in problems[:3])
    end_batch(desk, batch, state="failed", problem=told[:500] or "the provider did not take it")
    return "collected"


def _finish(desk: BatchDesk, batch: Batch, *, code: str, problem: str | None) -> Collected:
    """Nothing more will come: what has no result waits for another batch, is given up, or was cancelled."""
    left = sent_with(desk.connection, batch)
    why = NotExecuted("", code, problem or "", is_cancelled=code == "batch_cancelled")
    for start in range(0, len(left), CHUNK_RESULTS):
        settle_unexecuted(desk, batch, [(request, why) for request in left[start : start + CHUNK_RESULTS]])
    end_batch(desk, batch, state="collected", problem=problem)
    return "collected"


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MOST_LINE_BYTES):
        if line.strip():
            yield line


def _age(batch: Batch) -> timedelta:
    return datetime.now(UTC) - (batch.submitted_at or batch.prepared_at)
