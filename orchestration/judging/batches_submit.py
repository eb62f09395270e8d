"""Sending a batch: its file, then the batch, each step committed, so that a killed one is taken up again.

What costs money is making the batch. Before the provider is asked to, `create_tried_at` is committed: from
then on a batch may exist that we have not heard of, and it is looked for by our mark in its metadata before
another is made. A provider may list a new batch late, and may still be working on the request of a process
that was killed: one that is not found is made again only after `SETTLES`.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import BinaryIO, Final, Literal
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.judging.batches import NotExecuted
from orchestration.judging import batches_queries as queries
from orchestration.judging.batches import Batch, book, note_trouble, read_batch, sent_by, sent_with
from orchestration.judging.batches_desk import BatchDesk
from orchestration.judging.batches_lines import lines_of
from orchestration.judging.batches_provider import BatchEndpointError, RemoteBatch
from orchestration.judging.batches_settle import settle_unexecuted
from orchestration.judging.writing import RELATION
from orchestration.transactions import writing

SETTLES: Final = timedelta(minutes=10)
"""How long after it was asked for a batch may still appear. The client waits one minute for an answer."""

Sent = Literal["submitted", "found", "waits", "failed", "busy"]

_LOCK = "select pg_try_advisory_lock(hashtextextended(%s, 0))"
_UNLOCK = "select pg_advisory_unlock(hashtextextended(%s, 0))"


@dataclass(frozen=True, slots=True)
class _Content:
    name: str
    n_requests: int


def submit_batch(desk: BatchDesk, batch_id: UUID) -> Sent:
    """Bring the batch to the provider, from wherever an earlier try left it.

    `busy`: another process is at it; `waits`: the provider could not be reached, or may still be making it;
    `failed`: nothing of it will be executed, and its requests wait for another batch. The connection must be
    in autocommit and outside a transaction.
    """
    with holding(desk.connection, batch_id) as is_ours:
        if not is_ours:
            return "busy"
        batch = read_batch(desk.connection, batch_id)
        try:
            if batch.state == "prepared":
                batch = _upload(desk, batch)
            if batch.state == "uploaded":
                return _create(desk, batch)
        except BatchEndpointError as error:
            note_trouble(desk.connection, batch, str(error))
            return "waits"
    return "failed" if batch.state == "failed" else "submitted"


def withdraw_batch(desk: BatchDesk, batch_id: UUID, *, problem: str) -> Sent:
    """Never send a batch that is only prepared; its requests wait again."""
    with holding(desk.connection, batch_id) as is_ours:
        batch = read_batch(desk.connection, batch_id)
        if not is_ours or batch.state != "prepared":
            return "busy"
        why = NotExecuted("", "batch_withdrawn", problem, is_cancelled=False)
        requests = [(request, why) for request in sent_with(desk.connection, batch)]
        settle_unexecuted(desk, batch, requests, n_tries=0, pause=timedelta(0))
        end_batch(desk, batch, state="failed", problem=problem)
    return "failed"


@contextmanager
def holding(connection: Connection[TupleRow], batch_id: UUID) -> Iterator[bool]:
    """Whether the batch is ours for as long as the block runs: a lock that ends with its connection."""
    name = f"judge_batch {batch_id}"
    with connection.transaction():
        held = connection.execute(_LOCK, (name,)).fetchone() == (True,)
    try:
        yield held
    finally:
        if held and not connection.closed:
            with connection.transaction():
                connection.execute(_UNLOCK, (name,))


def end_batch(
    desk: BatchDesk, batch: Batch, *, state: Literal["collected", "failed"], problem: str | None
) -> None:
    """Close the batch."""
    given = {"id": batch.id, "state": state, "problem": problem, "now": datetime.now(UTC)}
    with desk.connection.transaction():
        desk.connection.execute(queries.END, given)


def _upload(desk: BatchDesk, batch: Batch) -> Batch:
    with tempfile.TemporaryFile() as file:  # it has no name, so a kill leaves nobody's text behind
        content = _write(desk, batch, file=file)
        if not content.n_requests:
            end_batch(desk, batch, state="failed", problem="its calls are gone, or say something else now")
            return read_batch(desk.connection, batch.id)
        # The hash in the name: only a file with these very bytes is taken for ours.
        file_id = desk.endpoint.find_file(content.name, since=batch.prepared_at)
        if file_id is None:
            file.seek(0)
            file_id = desk.endpoint.upload(file, filename=content.name)
    with desk.connection.transaction():
        desk.connection.execute(queries.UPLOADED, {"id": batch.id, "file_id": file_id})
    return read_batch(desk.connection, batch.id)


def _write(desk: BatchDesk, batch: Batch, *, file: BinaryIO) -> _Content:
    """Write the batch's lines; requests whose calls are gone, or say something else now, are forgotten."""
    digest, n_requests, gone = sha256(), 0, list[bytes]()
    requests = sent_with(desk.connection, batch)
    for request, line in lines_of(desk.connection, requests, spec=desk.spec, version=desk.version):
        if line is None:
            gone.append(request.content_hash)
            continue
        file.write(line)
        digest.update(line)
        n_requests += 1
    if gone:
        _forget(desk, batch, gone)
    return _Content(f"lqo-{batch.id}-{digest.hexdigest()[:16]}.jsonl", n_requests)


def _forget(desk: BatchDesk, batch: Batch, hashes: list[bytes]) -> None:
    with writing(desk.connection, relation=RELATION):
        given = {"version": batch.evaluator_version_id, "hashes": hashes}
        book(desk.connection, sent_by(desk.connection, desk.judge, frozenset(hashes)), sign=-1)
        desk.connection.execute(queries.FORGET, given)


def _create(desk: BatchDesk, batch: Batch) -> Sent:
    assert batch.input_file_id is not None
    if batch.create_tried_at is not None:
        if _adopt(desk, batch):
            return "found"
        left = SETTLES - (datetime.now(UTC) - batch.create_tried_at)
        if left > timedelta(0):
            note_trouble(desk.connection, batch, "it may still appear at the provider", pause=left)
            return "waits"
    _tried(desk, batch, at=datetime.now(UTC))
    try:
        made = desk.endpoint.create(batch.input_file_id, mark=batch.id)
    except BatchEndpointError as error:
        if error.may_have_happened:
            raise
        _tried(desk, batch, at=None)
        if error.may_pass:
            raise
        return _give_back(desk, batch, str(error))
    _submitted(desk, batch, made)
    return "submitted"


def _tried(desk: BatchDesk, batch: Batch, *, at: datetime | None) -> None:
    """Commit that the batch may exist from here on; None where the provider has said that it does not."""
    with desk.connection.transaction():
        desk.connection.execute(queries.CREATING, {"id": batch.id, "at": at})


def _give_back(desk: BatchDesk, batch: Batch, problem: str) -> Sent:
    why = NotExecuted("", "batch_refused", problem, is_cancelled=False)
    settle_unexecuted(desk, batch, [(request, why) for request in sent_with(desk.connection, batch)])
    end_batch(desk, batch, state="failed", problem=problem)
    return "failed"


def _adopt(desk: BatchDesk, batch: Batch) -> bool:
    """Take the provider's batch with our mark for ours; were there two, the other is cancelled."""
    found = desk.endpoint.find_batches(batch.id, since=batch.prepared_at)
    if not found:
        return False
    own = next((each for each in found if each.status not in ("failed", "cancelled")), found[0])
    for other in found:
        if other.id != own.id and not other.has_ended:
            desk.endpoint.cancel(other.id)
    _submitted(desk, batch, own)
    return True


def _submitted(desk: BatchDesk, batch: Batch, remote: RemoteBatch) -> None:
    given = {
        "id": batch.id,
        "provider_batch_id": remote.id,
        "created_at": remote.created_at,
        "now": datetime.now(UTC),
    }
    with desk.connection.transaction():
        desk.connection.execute(queries.SUBMITTED, given)
