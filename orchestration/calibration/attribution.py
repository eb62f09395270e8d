"""Whose a change of scores is: the product's, or the judge's, whom a golden set watches."""

from dataclasses import dataclass
from datetime import date
from typing import LiteralString

import numpy as np
from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.calibration.drift import Attribution, Drift, attribute, drift
from evaluators.statistics.differences import clustered_difference
from evaluators.statistics.estimate import Estimate
from orchestration.calibration.labelled_calls import EvaluatorVersion
from orchestration.partitions import range_window

CURRENT: LiteralString = """
select id, evaluator, version, kind from evaluation.evaluator_versions
where evaluator = %s and kind <> 'rule' and status = 'active'
order by current_from desc nulls last, id desc
limit 1
"""

SCORES: LiteralString = """
select
    judgements.value::float8,
    1 / judgements.inclusion_probability,
    coalesce(calls.session_id, encode(coalesce(judgements.content_hash, calls.content_hash), 'hex'))
from evaluation.judgements
inner join raw.llm_calls as calls
    on calls.started_at = judgements.started_at
    and calls.call_id = judgements.call_id
    and calls.started_at >= %(start)s
    and calls.started_at < %(end)s
where judgements.started_at >= %(start)s
    and judgements.started_at < %(end)s
    and judgements.evaluator_version_id = %(id)s
    and judgements.value is not null
    and calls.purpose in ('product', 'demo')
"""

# The last day of each span on which the judge was watched.
WATCHED: LiteralString = """
with days as (
    select
        max(day) filter (where day between %(old_first)s and %(old_last)s) as old_day,
        max(day) filter (where day between %(new_first)s and %(new_last)s) as new_day
    from evaluation.golden_scores
    where evaluator_version_id = %(id)s and value is not null
)

select old.value::float8, new.value::float8
from days
inner join evaluation.golden_scores as old
    on old.evaluator_version_id = %(id)s and old.day = days.old_day
inner join evaluation.golden_scores as new
    on new.evaluator_version_id = %(id)s
    and new.day = days.new_day
    and new.golden_set = old.golden_set
    and new.content_hash = old.content_hash
where old.value is not null and new.value is not null
order by old.golden_set, old.content_hash
"""

Span = tuple[date, date]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A judge's change between two spans of days: in production, on the golden sets, and whose it is."""

    version: EvaluatorVersion
    change: Estimate
    judge: Drift
    attribution: Attribution


def explain_change(connection: Connection[TupleRow], evaluator: str, *, old: Span, new: Span) -> Explanation:
    """Compare the mean scores of two spans (first and last day, both included) by the current version.

    Raises LookupError where the evaluator is no judge in force.
    """
    with connection.transaction():
        row = connection.execute(CURRENT, (evaluator,)).fetchone()
    if row is None:
        raise LookupError(f"there is no judge {evaluator!r:.80} in force")
    version = EvaluatorVersion(*row)
    values, weights, clusters = zip(*(_scores(connection, version, span) for span in (old, new)), strict=True)
    change = clustered_difference(
        values[1],
        values[0],
        new_weights=weights[1],
        old_weights=weights[0],
        new_clusters=clusters[1],
        old_clusters=clusters[0],
    )
    watched = _watched(connection, version, old=old, new=new)
    return Explanation(version, change, watched, attribute(change, watched))


def _scores(
    connection: Connection[TupleRow], version: EvaluatorVersion, span: Span
) -> tuple[list[float], list[float], np.ndarray[tuple[int], np.dtype[np.str_]]]:
    window = range_window(*span)
    given = {"start": window.start, "end": window.end, "id": version.id}
    with connection.transaction():
        rows = connection.execute(SCORES, given).fetchall()
    return (
        [row[0] for row in rows],
        [row[1] for row in rows],
        np.asarray([row[2] for row in rows], dtype=np.str_),
    )


def _watched(connection: Connection[TupleRow], version: EvaluatorVersion, *, old: Span, new: Span) -> Drift:
    given = {
        "id": version.id,
        "old_first": old[0],
        "old_last": old[1],
        "new_first": new[0],
        "new_last": new[1],
    }
    with connection.transaction():
        rows = connection.execute(WATCHED, given).fetchall()
    return drift([row[0] for row in rows], [row[1] for row in rows])
