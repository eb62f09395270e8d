"""Calls, a judge's verdicts and people's labels in a warehouse, made in SQL."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from psycopg.rows import TupleRow

from orchestration.calibration.labels import import_labels
from tests.orchestration.seeding import DAY_START, add_calls

Connection = psycopg.Connection[TupleRow]


def add_distinct_calls(
    connection: Connection,
    n: int,
    *,
    start: datetime = DAY_START,
    seed: str = "a",
    model: str = "gpt-4o-mini",
    prompt: str | None = None,
) -> list[UUID]:
    """n calls, each of its own content; their ids by time."""
    with connection.transaction():
        add_calls(connection, n, start=start, seed=seed, model=model)
        rows = connection.execute(
            "update raw.llm_calls set content_hash = uuid_send(call_id), prompt_name = %s"
            " where started_at >= %s and started_at < %s and requested_model = %s"
            " returning started_at, call_id",
            (prompt, start, start + timedelta(seconds=n), model),
        ).fetchall()
    return [call_id for _, call_id in sorted(rows)]


def add_version(
    connection: Connection,
    *,
    evaluator: str = "helpfulness",
    version: str = "1.0.0+a",
    kind: str = "judge",
    status: str = "active",
) -> int:
    with connection.transaction():
        row = connection.execute(
            "insert into evaluation.evaluator_versions (evaluator, version, kind, status, current_from)"
            " values (%s, %s, %s, %s, now()) returning id",
            (evaluator, version, kind, status),
        ).fetchone()
    assert row
    return row[0]


def judge(
    connection: Connection,
    version: int,
    verdicts: dict[UUID, int | str],
    *,
    probability: float = 1.0,
) -> None:
    """Verdicts as judgements: a grade, or the reason why there is none."""
    rows = [
        (
            call_id,
            call_id,
            version,
            said if isinstance(said, int) else None,
            said if isinstance(said, str) else None,
            probability,
        )
        for call_id, said in verdicts.items()
    ]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "insert into evaluation.judgements (started_at, call_id, evaluator_version_id, value,"
            " unscored_reason, judge_model, inclusion_probability)"
            " values (ingest.uuid7_time(%s), %s, %s, %s, %s, 'judge-1', %s)",
            rows,
        )


def label_rows(
    said: dict[UUID, str], *, rater: str = "ann", **fields: Any
) -> list[tuple[int, dict[str, Any]]]:
    """Rows of a file of labels: pass or fail of each call."""
    return [
        (line, {"call_id": str(call_id), "label": word, "rater": rater} | fields)
        for line, (call_id, word) in enumerate(said.items(), start=2)
    ]


def label(connection: Connection, said: dict[UUID, str], *, rater: str = "ann", **fields: Any) -> None:
    done = import_labels(
        connection, label_rows(said, rater=rater, **fields), source="seeded", evaluator="helpfulness"
    )
    assert not done.n_rejected, done.shown


def judged_and_labelled(
    connection: Connection, calls: list[UUID], version: int, *, accuracy: float, n_labels: int, seed: int = 1
) -> dict[UUID, str]:
    """A judge that is right with this accuracy on calls of which people pass 70 %; the first are labelled."""
    random = np.random.default_rng(seed)
    truth = random.random(len(calls)) < 0.7
    verdict = np.where(random.random(len(calls)) < accuracy, truth, ~truth)
    judge(connection, version, {c: 5 if passed else 2 for c, passed in zip(calls, verdict, strict=True)})
    said = {c: "pass" if passed else "fail" for c, passed in zip(calls, truth, strict=True)}
    label(connection, dict(list(said.items())[:n_labels]))
    return said
