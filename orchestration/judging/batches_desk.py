"""What sending and collecting a judge's batches needs, opened for one version of the judge."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psycopg import Connection
from psycopg.rows import TupleRow, dict_row

from orchestration.judging import batches_queries as queries
from orchestration.judging.batches import Batch
from orchestration.judging.batches_provider import BatchEndpoint, open_endpoint
from orchestration.judging.cache import VerdictCache
from orchestration.judging.judges import Judge, JudgeError
from orchestration.judging.prices import JudgePrices
from orchestration.judging.writing import Writer

if TYPE_CHECKING:
    from evaluators.judging.judge import JudgeSpec


@dataclass(frozen=True, slots=True)
class BatchDesk:
    """One version of a judge at one endpoint.

    `version` is what the version was called when it was registered; `spec.version` is another where a newer
    release asks or reads differently: then nothing more is asked, but what was paid for is still read.
    """

    connection: Connection[TupleRow]
    judge: Judge
    version: str
    spec: "JudgeSpec"
    writer: Writer
    prices: JudgePrices
    endpoint: BatchEndpoint

    @property
    def is_current(self) -> bool:
        return self.spec.version == self.version


@contextmanager
def open_desk(
    connection: Connection[TupleRow],
    version_id: int,
    *,
    batch: Batch | None = None,
    redis_url: str | None = None,
) -> Iterator[BatchDesk]:
    """The desk of a judge's version, at the batch's own endpoint where there is one already.

    Raises JudgeError (no such judge), RubricError, and BatchEndpointError where there is no secret.
    """
    judge, version = judge_of(connection, version_id)
    if batch is not None:
        judge = replace(judge, base_url=batch.base_url, secret_ref=batch.secret_ref)
    cache = VerdictCache(
        evaluator_version_id=version_id,
        judge_model=judge.model,
        keep_days=judge.cache_days,
        redis_url=redis_url,
    )
    with open_endpoint(base_url=judge.base_url, secret_ref=judge.secret_ref) as endpoint:
        yield BatchDesk(
            connection=connection,
            judge=judge,
            version=version,
            spec=judge.spec,
            writer=Writer(connection, judge, cache=cache),
            prices=JudgePrices(connection, judge),
            endpoint=endpoint,
        )


def judge_of(connection: Connection[TupleRow], version_id: int) -> tuple[Judge, str]:
    """The judge as it was at a version, asked in batches, and that version's name. Raises JudgeError."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(queries.JUDGE_OF, {"version": version_id}).fetchone()
    if row is None:
        raise JudgeError(f"no judge has the version {version_id}")
    version: str = row.pop("version")
    return Judge(**row), version
