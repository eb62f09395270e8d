"""The calls that two versions of an evaluator have both scored, wherever their results stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from evaluators.versions.bridge import SharedCall
from orchestration.versions.registry import Version
from orchestration.windows import Window

# Of more a sample by a hash is compared, the same every time: the intervals are narrow by then, and a
# bootstrap over a million calls takes minutes.
MOST_CALLS = 20_000

# A rule's verdict stands in the results of every set that has the version; one that was shadow-scored, like a
# judge's, in judgements. The window binds every relation, so that only its months are read.
_SIDE: LiteralString = """
select distinct on (started_at, call_id)
    started_at, call_id, value, label, unscored_reason, probability, explanation, content_hash
from (
    select
        started_at, call_id, value::double precision, label, unscored_reason,
        inclusion_probability as probability, explanation, content_hash, 0 as place
    from evaluation.judgements
    where evaluator_version_id = %({side}_id)s and started_at >= %(start)s and started_at < %(end)s
    union all
    select
        started_at,
        call_id,
        case when not unscored ? %(evaluator)s then (%(evaluator)s <> all (failed))::integer end,
        case
            when unscored ? %(evaluator)s then null
            when %(evaluator)s = any (failed) then 'fail'
            else 'pass'
        end,
        unscored ->> %(evaluator)s,
        1,
        evidence ->> %(evaluator)s,
        null::bytea,
        rule_set_version
    from evaluation.rule_results
    where rule_set_version = any(%({side}_sets)s) and started_at >= %(start)s and started_at < %(end)s
) as results
order by started_at, call_id, place desc
"""

PAIRS: LiteralString = (
    "with ones as ("
    + _SIDE.replace("{side}", "from")
    + "), others as ("
    + _SIDE.replace("{side}", "to")
    + ")"
)

COUNTS: LiteralString = (
    PAIRS
    + """
select
    count(*) filter (where ones.value is not null and others.value is not null),
    count(*) filter (where ones.value is not null and others.value is null),
    count(*) filter (where ones.value is null and others.value is not null)
from ones
full join others using (started_at, call_id)
"""
)

SHARED: LiteralString = (
    PAIRS
    + """
select
    calls.call_id::text,
    ones.value,
    others.value,
    ones.label,
    others.label,
    calls.requested_model,
    coalesce(calls.prompt_name, ''),
    -- Equal content has one cached verdict, and the turns of a conversation are alike.
    coalesce(
        calls.session_id, encode(ones.content_hash, 'hex'), md5(calls.input_preview), calls.call_id::text
    ),
    -- Both were drawn by the same hash, so the rarer of the two is the chance of having both.
    1 / least(ones.probability, others.probability)
from ones
inner join others using (started_at, call_id)
inner join raw.llm_calls as calls using (started_at, call_id)
where ones.value is not null and others.value is not null
    and calls.started_at >= %(start)s and calls.started_at < %(end)s
order by hashtextextended(calls.call_id::text, 0), calls.call_id
limit %(limit)s
"""
)

EXPLAINED: LiteralString = (
    PAIRS
    + """
select
    calls.call_id::text, calls.started_at, calls.input_preview, calls.output_preview,
    ones.explanation, others.explanation
from ones
inner join others using (started_at, call_id)
inner join raw.llm_calls as calls using (started_at, call_id)
where calls.call_id = any(%(ids)s::uuid[])
    and calls.started_at >= %(start)s and calls.started_at < %(end)s
"""
)

SETS: LiteralString = """
select evaluator_version_id, array_agg(rule_set_version)
from evaluation.rule_set_members
where evaluator_version_id = any(%s)
group by 1
"""


@dataclass(frozen=True, slots=True)
class Explained:
    """What a person reads of a call: when it was, its previews, and why each version said what it said."""

    started_at: datetime
    input_preview: str | None
    output_preview: str | None
    explanation_from: str | None
    explanation_to: str | None


@dataclass(frozen=True, slots=True)
class Shared:
    """Shared calls, at most 20,000, and how many there are in all; `n_only_*` were scored by one alone."""

    calls: list[SharedCall]
    n_shared: int
    n_only_from: int
    n_only_to: int


def read_shared(
    connection: Connection[TupleRow],
    *,
    before: Version,
    after: Version,
    window: Window,
    limit: int = MOST_CALLS,
) -> Shared:
    """The calls of the window that both versions have scored, in the caller's transaction."""
    given = _given(connection, before=before, after=after, window=window)
    n_shared, n_only_from, n_only_to = connection.execute(COUNTS, given).fetchone() or (0, 0, 0)
    calls: list[SharedCall] = []
    with connection.cursor("shared_calls") as cursor:
        cursor.execute(SHARED, {**given, "limit": limit})
        calls.extend(SharedCall(*row) for row in cursor)
    return Shared(calls, n_shared, n_only_from, n_only_to)


def explain(
    connection: Connection[TupleRow],
    call_ids: Sequence[str],
    *,
    before: Version,
    after: Version,
    window: Window,
) -> dict[str, Explained]:
    """What is known of these calls, by id."""
    given = _given(connection, before=before, after=after, window=window)
    rows = connection.execute(EXPLAINED, {**given, "ids": list(call_ids)}).fetchall()
    return {call_id: Explained(*rest) for call_id, *rest in rows}


def _given(
    connection: Connection[TupleRow], *, before: Version, after: Version, window: Window
) -> dict[str, object]:
    sets = dict(connection.execute(SETS, ([before.id, after.id],)).fetchall())
    return {
        "evaluator": before.evaluator,
        "from_id": before.id,
        "to_id": after.id,
        "from_sets": sets.get(before.id, []),
        "to_sets": sets.get(after.id, []),
        "start": window.start,
        "end": window.end,
    }
