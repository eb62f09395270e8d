"""Runs of before, as `lqo eval list` and `show` tell of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from orchestration.comparison.summary import Summary

LAST = "last"

_LIST: LiteralString = """
select run_id, started_at, name, dataset, n_items, candidate, baseline, judge_model, outcome
from evaluation.eval_runs
order by started_at desc
limit %s
"""
_FIND: LiteralString = """
select run_id, figures from evaluation.eval_runs
where %(prefix)s = 'last' or starts_with(run_id::text, %(prefix)s)
order by started_at desc
limit 2
"""
_ITEMS: LiteralString = """
select
    candidate.item_id,
    coalesce(candidate.no_answer_reason, candidate.origin) as candidate,
    candidate.grades as candidate_grades,
    baseline.grades as baseline_grades,
    candidate.unscored as candidate_unscored,
    baseline.unscored as baseline_unscored,
    verdicts.winners
from evaluation.eval_items as candidate
left join evaluation.eval_items as baseline
    on baseline.run_id = candidate.run_id
    and baseline.item_id = candidate.item_id
    and baseline.side = 'baseline'
left join lateral (
    select
        array_agg(
            coalesce(pairs.winner, pairs.unscored_reason) order by pairs.is_candidate_first desc
        ) as winners
    from evaluation.pairwise_verdicts as pairs
    where pairs.run_id = candidate.run_id and pairs.item_id = candidate.item_id
) as verdicts on true
where candidate.run_id = %s and candidate.side = 'candidate'
order by candidate.position
"""


class RunUnknownError(ValueError):
    """There is no such run, or several; the message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A run in a list; `outcome` None while it is under way, or after it was killed."""

    run_id: UUID
    started_at: datetime
    name: str
    dataset: str
    n_items: int
    candidate: str
    baseline: str | None
    judge_model: str | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class ItemRow:
    """What a run says of an item. `winners` are of both orders, the candidate shown first and then second."""

    item_id: str
    candidate: str | None
    candidate_grades: dict[str, Any]
    baseline_grades: dict[str, Any] | None
    candidate_unscored: dict[str, str]
    baseline_unscored: dict[str, str] | None
    winners: list[str] | None


def list_runs(connection: Connection[TupleRow], *, limit: int) -> list[Listed]:
    """The newest runs first."""
    with connection.transaction(), connection.cursor(row_factory=class_row(Listed)) as cursor:
        return cursor.execute(_LIST, (limit,)).fetchall()


def find_summary(connection: Connection[TupleRow], prefix: str) -> Summary:
    """The finished run whose id begins so, or the `last`. Raises RunUnknownError."""
    with connection.transaction():
        rows = connection.execute(_FIND, {"prefix": prefix.lower()}).fetchall()
    if not rows:
        raise RunUnknownError(f"there is no run {prefix[:40]!r}; `lqo eval list` shows all")
    if len(rows) > 1 and prefix.lower() != LAST:
        raise RunUnknownError(f"several runs begin with {prefix[:40]!r}")
    run_id, figures = rows[0]
    if figures is None:
        raise RunUnknownError(f"run {run_id} is not finished; the same command continues it")
    return msgspec.convert(figures, Summary)


def list_items(connection: Connection[TupleRow], run_id: UUID) -> list[ItemRow]:
    """The items of a run in the order of the dataset."""
    with connection.transaction(), connection.cursor(row_factory=class_row(ItemRow)) as cursor:
        return cursor.execute(_ITEMS, (run_id,)).fetchall()
