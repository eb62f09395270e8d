"""A rule on trial: what a draft says of landed calls, beside the version in force; nothing is written."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import polars as pl
from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.rules.base import Rule
from orchestration.frames import read_chunk
from orchestration.rules import scoring_queries as queries
from orchestration.rules.rule_runs import judge
from orchestration.rules.scoring import NO_CALL, last_key
from orchestration.windows import Window

CHUNK_ROWS = 10_000
FAIL, PASS = "fail", "pass"

COUNT = """
select count(*) from raw.llm_calls
where started_at >= %s and started_at < %s and purpose in ('product', 'demo')
"""


@dataclass(frozen=True, slots=True)
class Example:
    """A call that the draft fails, or of which the two versions say different things."""

    call_id: str
    started_at: datetime
    model: str | None
    before: str | None
    after: str
    evidence: str | None
    preview: str | None


@dataclass(slots=True)
class Trial:
    """Counts over `n` calls of the window (`n_landed` were there): the draft's verdicts (fail, pass, or the
    reason of an unscored one), by model its (scored, failed), and pairs of (in force, draft) where there is
    a version in force. `seconds` is what the draft's own judging took."""

    n_landed: int
    n: int = 0
    seconds: float = 0.0
    verdicts: Counter[str] = field(default_factory=Counter[str])
    by_model: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    failures: list[Example] = field(default_factory=list[Example])
    changes: list[Example] = field(default_factory=list[Example])

    @property
    def n_failed(self) -> int:
        return self.verdicts[FAIL]

    @property
    def n_scored(self) -> int:
        return self.verdicts[FAIL] + self.verdicts[PASS]

    @property
    def unscored(self) -> dict[str, int]:
        """Counts by reason, the most frequent first."""
        return {name: n for name, n in self.verdicts.most_common() if name not in (FAIL, PASS)}


def try_rule(
    connection: Connection[TupleRow],
    rule: Rule,
    *,
    in_force: Rule | None,
    window: Window,
    sample: int | None = None,
    n_examples: int = 5,
) -> Trial:
    """Judge the window's calls, or about `sample` of them, picked by their ids: the same at every trial."""
    with connection.transaction():
        row = connection.execute(COUNT, (window.start, window.end)).fetchone()
    trial = Trial(n_landed=row[0] if row else 0)
    share = 1.0 if sample is None else min(1.0, sample / max(1, trial.n_landed))
    rules = (rule,) if in_force is None else (rule, in_force)
    for calls in _chunks(connection, rules, window=window, share=share):
        started = time.perf_counter()
        after = _verdicts(calls, rule)
        trial.seconds += time.perf_counter() - started
        before = None if in_force is None else _verdicts(calls, in_force)
        _count(trial, calls, before=before, after=after, n_examples=n_examples)
    return trial


def _chunks(
    connection: Connection[TupleRow], rules: tuple[Rule, ...], *, window: Window, share: float
) -> Iterator[pl.DataFrame]:
    wanted = {*queries.columns_of(rules), "requested_model"}
    columns = tuple(name for name in queries.EVERY_COLUMN if name in wanted)
    schema = {**queries.call_schema(columns), "output_preview": pl.String()}
    position: tuple[datetime, UUID] = (window.start, NO_CALL)
    while True:
        given = {
            "start": position[0],
            "after": position[1],
            "end": window.end,
            "share": share,
            "limit": CHUNK_ROWS,
        }
        with connection.transaction():
            calls = read_chunk(connection, queries.trial_calls(columns), params=given, schema=schema)
        if calls.is_empty():
            return
        calls = calls.with_columns(started_at=pl.from_epoch("started_us", "us").dt.replace_time_zone("UTC"))
        yield calls
        position = last_key(calls)


def _verdicts(calls: pl.DataFrame, rule: Rule) -> list[tuple[str, str | None]]:
    """Of each call `fail`, `pass` or the reason, and the evidence."""
    outcomes = judge(calls, rules=(rule,))
    unscored = pl.col("unscored").str.json_path_match(f"$.{rule.name}")
    evidence = pl.col("evidence").str.json_path_match(f"$.{rule.name}")
    failed = pl.when(pl.col("failed").list.len() > 0).then(pl.lit(FAIL)).otherwise(pl.lit(PASS))
    return outcomes.select(pl.coalesce(unscored, failed), evidence.alias("why")).rows()


def _count(
    trial: Trial,
    calls: pl.DataFrame,
    *,
    before: list[tuple[str, str | None]] | None,
    after: list[tuple[str, str | None]],
    n_examples: int,
) -> None:
    trial.n += calls.height
    rows = calls.select("call_id", "started_at", "requested_model", "output_preview").iter_rows()
    for number, (call_id, started_at, model, preview) in enumerate(rows):
        verdict, evidence = after[number]
        trial.verdicts[verdict] += 1
        if verdict in (FAIL, PASS):
            n_scored, n_failed = trial.by_model.get(model, (0, 0))
            trial.by_model[model] = (n_scored + 1, n_failed + (verdict == FAIL))
        earlier = None
        if before is not None:
            earlier = before[number][0]
            trial.pairs[earlier, verdict] += 1
        example = Example(call_id, started_at, model, earlier, verdict, evidence, preview)
        if verdict == FAIL and len(trial.failures) < n_examples:
            trial.failures.append(example)
        if earlier is not None and earlier != verdict and len(trial.changes) < n_examples:
            trial.changes.append(example)
