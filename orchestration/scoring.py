"""Rule checks over windows of landed calls: read what lacks a result, run the rules, write the verdicts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import LiteralString
from uuid import UUID

import polars as pl
from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.rules.base import Rule
from evaluators.rules.catalogue import RULES
from evaluators.rules.prepare import INPUT_SCHEMA
from orchestration import scoring_queries as queries
from orchestration.dirty import mark_hours
from orchestration.frames import copy_frame, read_chunk
from orchestration.rule_runs import to_columns, to_outcomes
from orchestration.rule_sets import RuleSet, register_rule_set
from orchestration.rule_workers import RuleWorkers
from orchestration.transactions import writing
from orchestration.windows import Window, merge

RELATION = "evaluation.rule_results"
CHUNK_ROWS = 20_000
MAX_ATTEMPTS = 3
NO_CALL = UUID(int=0)
RETRIABLE = r':\s*"(error|parse_error|skipped_budget)"'


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """What a run wrote: `n_rows` results, of which `n_carried` hold verdicts of an earlier rule set and
    `n_scored` had every rule run. `hours` are the UTC hours that were touched."""

    rule_set_version: int
    n_scored: int = 0
    n_carried: int = 0
    hours: frozenset[datetime] = field(default_factory=frozenset[datetime])

    @property
    def n_rows(self) -> int:
        return self.n_scored + self.n_carried


def score_window(
    connection: Connection[TupleRow],
    windows: Sequence[Window],
    *,
    rules: Sequence[Rule] = RULES,
    chunk_rows: int = CHUNK_ROWS,
) -> ScoreResult:
    """Give every product and demo call of the windows a result of the current rule set; add what is missing.

    Each chunk is one transaction: a kill -9 keeps the chunks before it and the next run does the rest.
    Scored again are results made from an interrupted call that has its END now, and those unscored for a
    reason that may pass (at most 3 tries). Where only some rules changed since an earlier set, only these
    run. The connection must be outside a transaction.
    """
    rule_set = register_rule_set(connection, rules)
    n_scored = n_carried = 0
    hours: set[datetime] = set()
    with RuleWorkers() as workers:
        for window in merge(windows):
            # What failed before comes first, else a call that fails now would be tried twice in one run.
            for query in (queries.UNSETTLED_CALLS, queries.NEW_CALLS):
                for chunk in _score_chunks(
                    connection, query, window=window, rule_set=rule_set, rows=chunk_rows, workers=workers
                ):
                    n_scored += chunk.n_scored
                    n_carried += chunk.n_carried
                    hours |= chunk.hours
    return ScoreResult(rule_set.version, n_scored, n_carried, frozenset(hours))


def _score_chunks(
    connection: Connection[TupleRow],
    query: LiteralString,
    *,
    window: Window,
    rule_set: RuleSet,
    rows: int,
    workers: RuleWorkers,
) -> Iterator[ScoreResult]:
    position = (window.start, NO_CALL)
    while True:
        with writing(connection, relation=RELATION):
            params = {
                "start": position[0],
                "after": position[1],
                "end": window.end,
                "rule_set": rule_set.version,
                "has_other_sets": len(rule_set.members_of) > 1,
                "limit": rows,
            }
            calls = read_chunk(connection, query, params=params, schema=queries.CALL_SCHEMA)
            if calls.is_empty():
                return
            calls = calls.with_columns(
                started_at=pl.from_epoch("started_us", "us").dt.replace_time_zone("UTC")
            )
            results = score_calls(calls, rule_set=rule_set, workers=workers)
            hours = _write(connection, results, rule_set=rule_set)
        n_carried = int(results["is_carried"].sum())
        yield ScoreResult(rule_set.version, calls.height - n_carried, n_carried, frozenset(hours))
        position = _last_key(calls)


def score_calls(calls: pl.DataFrame, *, rule_set: RuleSet, workers: RuleWorkers) -> pl.DataFrame:
    """Results of the calls (CALL_SCHEMA and started_at) with the columns of the stage, plus `is_carried`."""
    parts: list[pl.DataFrame] = []
    for part in calls.partition_by("previous_version"):
        previous: int | None = part["previous_version"][0]
        rules = rule_set.changed_since(previous)
        verdicts = workers.judge(part.select(*INPUT_SCHEMA), rules=rules)
        is_carried = len(rules) < len(rule_set.rules)
        if is_carried:
            kept = frozenset(rule.name for rule in rule_set.rules.values()) - {rule.name for rule in rules}
            verdicts = _carry(part, verdicts, kept=kept)
        keys = part.select("started_at", "call_id", "status", "tries")
        parts.append(
            pl.concat([keys, verdicts], how="horizontal").with_columns(is_carried=pl.lit(is_carried))
        )
    return pl.concat(parts).select(
        "started_at",
        "call_id",
        "failed",
        unscored=_storable("unscored"),
        evidence=_storable("evidence"),
        attempts=(pl.col("tries") + 1).cast(pl.Int16),
        is_provisional=pl.col("status") == "interrupted",
        is_retriable=pl.col("unscored").str.contains(RETRIABLE) & (pl.col("tries") + 1 < MAX_ATTEMPTS),
        is_carried="is_carried",
    )


def _carry(part: pl.DataFrame, verdicts: pl.DataFrame, *, kept: frozenset[str]) -> pl.DataFrame:
    previous = part.select(
        failed="previous_failed", unscored="previous_unscored", evidence="previous_evidence"
    )
    outcomes = to_outcomes(verdicts)
    for outcome, earlier in zip(outcomes, to_outcomes(previous), strict=True):
        outcome.add(earlier.only(kept))
    return to_columns(outcomes)


def _storable(name: str) -> pl.Expr:
    """jsonb holds every text but NUL."""
    return pl.col(name).str.replace_all("\\u0000", "\\ufffd", literal=True)


def _write(connection: Connection[TupleRow], results: pl.DataFrame, *, rule_set: RuleSet) -> list[datetime]:
    with connection.cursor() as cursor:
        cursor.execute(queries.MAKE_STAGE)
        copy_frame(cursor, results.drop("is_carried"), table="scored_calls")
        cursor.execute(queries.WRITE_RESULTS, {"rule_set": rule_set.version})
    hours = results["started_at"].dt.truncate("1h").unique()
    return mark_hours(connection, hours, stage="scores")


def _last_key(calls: pl.DataFrame) -> tuple[datetime, UUID]:
    started_at: datetime = calls["started_at"][-1]
    return started_at.astimezone(UTC), UUID(calls["call_id"][-1])
