"""Labelled calls of one evaluator version, as the calibration takes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.calibration.labelled import LabelledCall, Rating, passes

# One label is a probe of each primary key. `offset 0` keeps it so: joined freely, the planner reads all
# verdicts of history to find those of a few hundred labels.
LABELLED: LiteralString = """
select
    labels.started_at,
    labels.call_id,
    labels.rater,
    labels.value,
    labels.label,
    min(labels.inclusion_probability) over call,
    coalesce(
        min(labels.cluster) over call,
        calls.session_id,
        encode(calls.content_hash, 'hex')
    ),
    calls.requested_model,
    calls.prompt_name,
    scores.value,
    scores.unscored_reason
from evaluation.current_labels as labels
inner join raw.llm_calls as calls
    on calls.started_at = labels.started_at and calls.call_id = labels.call_id
cross join lateral (
    select found.value, found.unscored_reason
    from evaluation.scores as found
    where found.started_at = labels.started_at
        and found.call_id = labels.call_id
        and found.evaluator = %(evaluator)s
        and found.evaluator_version = %(version)s
    offset 0
) as scores
where labels.evaluator = %(evaluator)s
    and labels.is_blind
    and (%(from)s::timestamptz is null or labels.started_at >= %(from)s)
    and (%(to)s::timestamptz is null or labels.started_at < %(to)s)
    and not exists (
        select from evaluation.quarantine
        where quarantine.started_at = labels.started_at and quarantine.call_id = labels.call_id
    )
window call as (partition by labels.started_at, labels.call_id)
order by labels.started_at, labels.call_id, labels.rater
"""

VERSION: LiteralString = """
select evaluator, version, kind from evaluation.evaluator_versions where id = %s
"""


@dataclass(frozen=True, slots=True)
class EvaluatorVersion:
    """A version as `evaluation.evaluator_versions` has it; a rule gives 0 or 1, anything else grades."""

    id: int
    evaluator: str
    version: str
    kind: str

    @property
    def is_graded(self) -> bool:
        """Whether its scores are a rubric's 1–5."""
        return self.kind != "rule"


def read_version(connection: Connection[TupleRow], evaluator_version_id: int) -> EvaluatorVersion:
    """The version of this id. Raises LookupError."""
    with connection.transaction():
        row = connection.execute(VERSION, (evaluator_version_id,)).fetchone()
    if row is None:
        raise LookupError(f"there is no evaluator version {evaluator_version_id}")
    return EvaluatorVersion(evaluator_version_id, *row)


def labelled_calls(
    connection: Connection[TupleRow],
    version: EvaluatorVersion,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[LabelledCall]:
    """Calls with blind labels that this version has been asked about, by time; none that is in quarantine.

    `start` and `end` bound when the calls came in. Clusters: the label's own, else the call's session, else
    its content.
    """
    given = {"evaluator": version.evaluator, "version": version.version, "from": start, "to": end}
    with connection.transaction():
        rows = connection.execute(LABELLED, given).fetchall()
    return [_call(list(group), version) for _, group in groupby(rows, key=itemgetter(0, 1))]


def _call(rows: Sequence[TupleRow], version: EvaluatorVersion) -> LabelledCall:
    _, call_id, _, _, _, probability, cluster, model, prompt, value, _ = rows[0]
    grade = None if value is None else float(value)
    return LabelledCall(
        call_id=str(call_id),
        cluster=cluster,
        ratings=tuple(_rating(row[2], row[3], row[4], version=version) for row in rows),
        verdict=None if grade is None else passes(grade, is_graded=version.is_graded),
        grade=grade,
        model=model or "",
        prompt=prompt or "",
        weight=1 / probability,
    )


def _rating(rater: str, value: object, label: str | None, *, version: EvaluatorVersion) -> Rating:
    """A rater who says pass or fail outright is believed, whatever the grade."""
    grade = None if value is None else float(str(value))
    category = label or passes(0.0 if grade is None else grade, is_graded=version.is_graded)
    return Rating(rater, category, grade)
