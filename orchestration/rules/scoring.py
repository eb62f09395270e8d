"""Rule checks over windows of landed calls: read what lacks a result, run the rules, write the verdicts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import LiteralString
from uuid import UUID

import polars as pl
from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.rules.base import Rule
from evaluators.rules.catalogue import RULES
from orchestration.dirty import mark_hours
from orchestration.frames import copy_frame, read_chunk
from orchestration.rules import scoring_queries as queries
from orchestration.rules import scoring_writes as writes
from orchestration.rules.rule_sets import RuleSet, register_rule_set
from orchestration.rules.rule_workers import RuleWorkers
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


@dataclass(frozen=True, slots=True)
class _Work:
    """What one pass over a window runs: which calls, by which rules, and the older set whose other verdicts
    they keep (None: nothing is kept, and these are all rules)."""

    query: LiteralString
    rules: tuple[Rule, ...]
    previous: int | None = None


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
    run, only what they need is read, and the other verdicts are copied inside the database. The connection
    must be outside a transaction.
    """
    rule_set = register_rule_set(connection, rules)
    n_scored = n_carried = 0
    hours: set[datetime] = set()
    with RuleWorkers() as workers:
        for window in merge(windows):
            for work in _work(connection, window=window, rule_set=rule_set):
                for chunk in _score_chunks(
                    connection, work, window=window, rule_set=rule_set, rows=chunk_rows, workers=workers
                ):
                    n_scored += chunk.n_scored
                    n_carried += chunk.n_carried
                    hours |= chunk.hours
    return ScoreResult(rule_set.version, n_scored, n_carried, frozenset(hours))


def _work(connection: Connection[TupleRow], *, window: Window, rule_set: RuleSet) -> Iterator[_Work]:
    """What failed before comes first, else a call that fails now would be tried twice in one run; then what
    can be carried over, from the newest set on; then what is new."""
    every = tuple(rule_set.rules.values())
    columns = queries.columns_of(every)
    yield _Work(queries.unsettled_calls(columns), every)
    if len(rule_set.members_of) > 1:
        given = {"start": window.start, "end": window.end, "rule_set": rule_set.version}
        with connection.transaction():
            rows = connection.execute(queries.PREVIOUS_SETS, given).fetchall()
        for (previous,) in rows:
            changed = rule_set.changed_since(previous)
            if len(changed) < len(every):
                yield _Work(queries.carried_calls(queries.columns_of(changed)), changed, previous)
    yield _Work(queries.new_calls(columns), every)


def _score_chunks(
    connection: Connection[TupleRow],
    work: _Work,
    *,
    window: Window,
    rule_set: RuleSet,
    rows: int,
    workers: RuleWorkers,
) -> Iterator[ScoreResult]:
    position = (window.start, NO_CALL)
    schema = queries.call_schema(queries.columns_of(work.rules))
    while True:
        with writing(connection, relation=RELATION):
            params = {
                "start": position[0],
                "after": position[1],
                "end": window.end,
                "rule_set": rule_set.version,
                "previous": work.previous,
                "limit": rows,
            }
            connection.execute(queries.READ_IN_ORDER)
            calls = read_chunk(connection, work.query, params=params, schema=schema)
            if calls.is_empty():
                return
            calls = calls.with_columns(
                started_at=pl.from_epoch("started_us", "us").dt.replace_time_zone("UTC")
            )
            results = score_calls(calls, rules=work.rules, workers=workers)
            hours = _write(connection, results, params={**params, "last": last_key(calls)[0]})
        is_carried = work.previous is not None
        n_scored, n_carried = (0, calls.height) if is_carried else (calls.height, 0)
        yield ScoreResult(rule_set.version, n_scored, n_carried, frozenset(hours))
        position = last_key(calls)


def score_calls(calls: pl.DataFrame, *, rules: Sequence[Rule], workers: RuleWorkers) -> pl.DataFrame:
    """Verdicts of the rules on the calls (`call_schema` and started_at), with the columns of the stage."""
    verdicts = workers.judge(calls.drop("started_us", "tries"), rules=rules)
    keys = calls.select("started_at", "call_id", "status", "tries")
    tries = pl.col("tries") + 1
    return pl.concat([keys, verdicts], how="horizontal").select(
        "started_at",
        "call_id",
        "failed",
        unscored=_storable("unscored"),
        evidence=_storable("evidence"),
        attempts=tries.cast(pl.Int16),
        is_provisional=pl.col("status") == "interrupted",
        is_retriable=pl.col("unscored").str.contains(RETRIABLE) & (tries < MAX_ATTEMPTS),
    )


def _storable(name: str) -> pl.Expr:
    """jsonb holds every text but NUL."""
    return pl.col(name).str.replace_all("\\u0000", "\\ufffd", literal=True)


def _write(
    connection: Connection[TupleRow], results: pl.DataFrame, *, params: Mapping[str, object]
) -> list[datetime]:
    with connection.cursor() as cursor:
        cursor.execute(writes.MAKE_STAGE)
        copy_frame(cursor, results, table="scored_calls")
        if params["previous"] is None:
            cursor.execute(writes.WRITE_RESULTS, params)
        else:
            stale = cursor.execute(queries.STALE_NAMES, params).fetchone()
            cursor.execute(writes.WRITE_AT_ONCE)
            cursor.execute(writes.WRITE_CARRIED, {**params, "stale": stale[0] if stale else []})
    hours = results["started_at"].dt.truncate("1h").unique()
    return mark_hours(connection, hours, stage="scores")


def last_key(calls: pl.DataFrame) -> tuple[datetime, UUID]:
    """Where the next chunk goes on."""
    started_at: datetime = calls["started_at"][-1]
    return started_at.astimezone(UTC), UUID(calls["call_id"][-1])
