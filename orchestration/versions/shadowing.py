"""Shadow scoring of a rule: a draft judges chosen days, and its verdicts stay out of the current lines."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import LiteralString
from uuid import UUID

import polars as pl
from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.rules.base import Rule
from orchestration.frames import copy_frame, read_chunk
from orchestration.rules import scoring_queries as queries
from orchestration.rules.rule_workers import RuleWorkers
from orchestration.rules.scoring import CHUNK_ROWS, NO_CALL, last_key, score_calls
from orchestration.transactions import writing
from orchestration.versions.registry import Version, VersionError
from orchestration.versions.shadow_days import put_shadow_days
from orchestration.windows import Window, day_window

RELATION = "evaluation.judgements"

MAKE_STAGE: LiteralString = """
create temp table if not exists shadow_verdicts (
    started_at timestamptz not null,
    call_id uuid not null,
    value integer,
    label text,
    explanation text,
    unscored_reason text
) on commit delete rows
"""

WRITE: LiteralString = """
insert into evaluation.judgements (
    started_at, call_id, evaluator_version_id, value, label, explanation, unscored_reason, judge_model
)
select started_at, call_id, %(version)s, value, label, explanation, unscored_reason, 'rule'
from shadow_verdicts
order by started_at, call_id
on conflict (started_at, call_id, evaluator_version_id) do nothing
"""


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What a shadow run added: results by whether they are a score."""

    n_scored: int
    n_unscored: int


def shadow_rule(
    connection: Connection[TupleRow],
    version: Version,
    rule: Rule,
    *,
    first_day: date,
    last_day: date,
    chunk_rows: int = CHUNK_ROWS,
) -> Shadowed:
    """Let a rule judge the product calls of the days (both included) that it has not judged yet.

    Verdicts go to `evaluation.judgements` under the version; no hour becomes dirty, no current line moves.
    Each chunk is a transaction: a run that was killed is finished by running it again, and a second run adds
    nothing. Raises VersionError for a version that is current, or of another evaluator than the rule.
    """
    refuse_current(version)
    if rule.name != version.evaluator:
        raise VersionError(f"the rule {rule.name} is no version of {version.evaluator}")
    window = Window(day_window(first_day).start, day_window(last_day).end)
    n_scored = n_unscored = 0
    with RuleWorkers() as workers:
        for verdicts in _chunks(
            connection, version, rule, window=window, chunk_rows=chunk_rows, workers=workers
        ):
            found = int(verdicts["value"].count())
            n_scored += found
            n_unscored += verdicts.height - found
    put_shadow_days(connection, version, first_day=first_day, last_day=last_day)
    return Shadowed(n_scored, n_unscored)


def refuse_current(version: Version) -> None:
    """Raises VersionError where the version is current already, or was: it has results of its own."""
    if version.status not in ("draft", "shadow"):
        raise VersionError(f"{version} is {version.status}: only drafts are shadow-scored")


def _chunks(
    connection: Connection[TupleRow],
    version: Version,
    rule: Rule,
    *,
    window: Window,
    chunk_rows: int,
    workers: RuleWorkers,
) -> Iterator[pl.DataFrame]:
    """Verdicts by chunk, each written and committed."""
    columns = queries.columns_of((rule,))
    query, schema = queries.shadow_calls(columns), queries.call_schema(columns)
    position: tuple[datetime, UUID] = (window.start, NO_CALL)
    while True:
        with writing(connection, relation=RELATION):
            given = {
                "start": position[0],
                "after": position[1],
                "end": window.end,
                "version": version.id,
                "limit": chunk_rows,
            }
            calls = read_chunk(connection, query, params=given, schema=schema)
            if calls.is_empty():
                return
            calls = calls.with_columns(
                started_at=pl.from_epoch("started_us", "us").dt.replace_time_zone("UTC")
            )
            verdicts = _verdicts(score_calls(calls, rules=(rule,), workers=workers), name=rule.name)
            _write(connection, verdicts, version=version)
        yield verdicts
        position = last_key(calls)


def _verdicts(results: pl.DataFrame, *, name: str) -> pl.DataFrame:
    """One rule's part of the results: its score, its reason, its evidence."""
    unscored = pl.col("unscored").str.json_path_match(f"$.{name}")
    failed = pl.col("failed").list.len() > 0
    label = pl.when(failed).then(pl.lit("fail")).otherwise(pl.lit("pass"))
    return results.select(
        "started_at",
        "call_id",
        value=pl.when(unscored.is_null()).then((~failed).cast(pl.Int32)),
        label=pl.when(unscored.is_null()).then(label),
        explanation=pl.col("evidence").str.json_path_match(f"$.{name}"),
        unscored_reason=unscored,
    )


def _write(connection: Connection[TupleRow], verdicts: pl.DataFrame, *, version: Version) -> None:
    with connection.cursor() as cursor:
        cursor.execute(MAKE_STAGE)
        copy_frame(cursor, verdicts, table="shadow_verdicts")
        cursor.execute(WRITE, {"version": version.id})
