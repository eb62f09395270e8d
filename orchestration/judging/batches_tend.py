"""What is due of all batches: half-sent ones are taken up, ended ones collected, failures sent again."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from orchestration.judging import batches_queries as queries
from orchestration.judging.batches import (
    Batch,
    Request,
    book,
    note_trouble,
    open_batches,
    read_batch,
    waiting_versions,
)
from orchestration.judging.batches_provider import BatchEndpointError, open_endpoint
from orchestration.judging.writing import RELATION
from orchestration.transactions import writing

MOST_LOOKS: Final = 5
"""A tick of the sensor must end within a minute: so many questions of ten seconds."""

KEEP_REQUESTS: Final = timedelta(days=14)


@dataclass(slots=True)
class Tended:
    """Batches by what was done with them, and problems in one line each."""

    done: dict[str, int] = field(default_factory=dict[str, int])
    problems: list[str] = field(default_factory=list[str])

    def count(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1


@dataclass(frozen=True, slots=True)
class Due:
    """What waits for a run of `tend_batches`: half-sent batches, ended ones, versions with requests to send.

    `n_out` batches are still being worked on.
    """

    n_to_send: int
    n_ended: int
    n_versions: int
    n_out: int

    @property
    def is_something(self) -> bool:
        return bool(self.n_to_send or self.n_ended or self.n_versions)


def look_around(connection: Connection[TupleRow]) -> Due:
    """Ask the providers after the batches that are due, and say what there is to do."""
    from orchestration.judging.batches_collect import look_at

    now = datetime.now(UTC)
    due = open_batches(connection, now=now)
    out = [batch for batch in due if batch.state == "submitted"]
    n_ended = 0
    for batch in out[:MOST_LOOKS]:
        try:
            with open_endpoint(
                base_url=batch.base_url, secret_ref=batch.secret_ref, is_hasty=True
            ) as endpoint:
                n_ended += look_at(connection, batch, endpoint=endpoint).has_ended
        except BatchEndpointError as error:
            note_trouble(connection, batch, str(error))
    n_versions = len(waiting_versions(connection, now=now))
    return Due(len(due) - len(out), n_ended, n_versions, len(out) - n_ended)


def tend_batches(connection: Connection[TupleRow], *, redis_url: str | None = None) -> Tended:
    """Do all that is due. One batch's problem is its own; the connection must be in autocommit."""
    tended = Tended()
    for batch in open_batches(connection, now=datetime.now(UTC)):
        tended.count(_tend(connection, batch, redis_url=redis_url))
        if problem := read_batch(connection, batch.id).problem:
            tended.problems.append(f"batch {batch.id}: {problem}")
    for version_id in waiting_versions(connection, now=datetime.now(UTC)):
        _send_again(connection, version_id, tended)
    with connection.transaction():
        connection.execute(queries.TIDY, {"before": datetime.now(UTC) - KEEP_REQUESTS})
    return tended


def _tend(connection: Connection[TupleRow], batch: Batch, *, redis_url: str | None) -> str:
    from evaluators.judging.rubrics import RubricError
    from orchestration.judging.batches_collect import collect_batch
    from orchestration.judging.batches_desk import open_desk
    from orchestration.judging.batches_submit import submit_batch, withdraw_batch
    from orchestration.judging.judges import JudgeError

    version_id = batch.evaluator_version_id
    try:
        with open_desk(connection, version_id, batch=batch, redis_url=redis_url) as desk:
            if batch.state == "submitted":
                return collect_batch(desk, batch.id)
            if batch.state == "prepared" and not desk.is_current:
                return withdraw_batch(desk, batch.id, problem="a release asks differently by now")
            return submit_batch(desk, batch.id)
    except (BatchEndpointError, JudgeError, RubricError) as error:
        note_trouble(connection, batch, " ".join(str(error).split()))
        return "waits"


def _send_again(connection: Connection[TupleRow], version_id: int, tended: Tended) -> None:
    from evaluators.judging.rubrics import RubricError
    from orchestration.judging.batches_desk import judge_of
    from orchestration.judging.batches_window import AskedInBatches, send_waiting
    from orchestration.judging.judges import JudgeError

    asked = AskedInBatches()
    try:
        judge, version = judge_of(connection, version_id)
        if judge.spec.version != version:
            return _drop_waiting(connection, version_id)
        send_waiting(connection, judge, asked)
    except (BatchEndpointError, JudgeError, RubricError) as error:
        tended.problems.append(" ".join(str(error).split()))
    tended.problems += asked.problems
    for outcome, n in asked.sent.items():
        tended.done[outcome] = tended.done.get(outcome, 0) + n
    return None


def _drop_waiting(connection: Connection[TupleRow], version_id: int) -> None:
    """Nobody can ask what an earlier release asked: the calls are for the version that took its place."""
    given = {"version": version_id}
    with writing(connection, relation=RELATION):
        with connection.cursor(row_factory=class_row(Request)) as cursor:
            dropped = cursor.execute(queries.DROP_WAITING, given).fetchall()
        hashes = [request.content_hash for request in dropped]
        connection.execute(queries.NO_LONGER_WAIT, {"version": version_id, "hashes": hashes})
        book(connection, dropped, sign=-1)
