"""What a day asks of bridges: pairs of versions that it has something to say of, and counts of rule sets."""

from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestration.transactions import writing
from orchestration.versions.registry import Version, list_versions
from orchestration.windows import Window, days_of

RELATION = "evaluation.rule_set_bridges"

# What was shadow-scored on the days, against what was current then.
SHADOWED: LiteralString = """
select distinct periods.evaluator_version_id, shadows.id
from evaluation.shadow_days as days
inner join evaluation.evaluator_versions as shadows
    on shadows.id = days.evaluator_version_id and shadows.status in ('draft', 'shadow')
inner join evaluation.version_periods as periods
    on periods.evaluator = shadows.evaluator
    and (periods.current_from is null or periods.current_from < (days.day + 1)::timestamp at time zone 'UTC')
    and (periods.current_to is null or periods.current_to > days.day::timestamp at time zone 'UTC')
where days.day = any(%(days)s) and periods.evaluator_version_id <> shadows.id
order by 1, 2
"""

# What became current in the window, against what was before; a promotion has its bridge already.
STEPPED: LiteralString = """
with steps as (
    select
        evaluator_version_id,
        current_from,
        lag(evaluator_version_id) over (partition by evaluator order by current_from nulls first)
            as previous_id
    from evaluation.version_periods
)
select distinct previous_id, evaluator_version_id
from steps
where current_from >= %(start)s and current_from < %(end)s
    and previous_id is not null and previous_id <> evaluator_version_id
    and not exists (
        select from evaluation.bridges
        where from_version_id = previous_id and to_version_id = evaluator_version_id
            and not (first_day >= %(first)s and last_day <= %(last)s)
    )
order by 1, 2
"""

SEVERAL_SETS: LiteralString = """
select count(*) > 1 from evaluation.rule_sets
"""

COUNT: LiteralString = """
with sets as (
    select
        members.rule_set_version,
        count(*) as count_rules,
        coalesce(array_agg(versions.evaluator) filter (where versions.severity is distinct from 'info'), '{}')
            as failing_rules
    from evaluation.rule_set_members as members
    inner join evaluation.evaluator_versions as versions on versions.id = members.evaluator_version_id
    group by 1
),
results as (
    select started_at, call_id, rule_set_version, failed && failing_rules as is_failed
    from evaluation.rule_results
    inner join sets using (rule_set_version)
    where started_at >= %(start)s and started_at < %(end)s
        and not (is_provisional or is_retriable)
        and (unscored = '{}' or (select count(*) from jsonb_object_keys(unscored)) < count_rules)
)
insert into evaluation.rule_set_bridges (
    day, from_rule_set, to_rule_set, model, n_shared, n_failed_from, n_failed_to, n_flips
)
select
    (ones.started_at at time zone 'UTC')::date,
    ones.rule_set_version,
    others.rule_set_version,
    calls.requested_model,
    count(*),
    count(*) filter (where ones.is_failed),
    count(*) filter (where others.is_failed),
    count(*) filter (where ones.is_failed <> others.is_failed)
from results as ones
inner join results as others using (started_at, call_id)
inner join raw.llm_calls as calls using (started_at, call_id)
where ones.rule_set_version < others.rule_set_version
    and calls.started_at >= %(start)s and calls.started_at < %(end)s
group by 1, 2, 3, 4
"""


def due_pairs(connection: Connection[TupleRow], window: Window) -> list[tuple[Version, Version, bool]]:
    """Pairs (older, newer) that the window's days speak of, and whether the newer was shadow-scored.

    A shadow is bridged over all of its days, a version that was shipped or registered over the window's
    alone: what both have judged of the days around the change.
    """
    days = days_of([window])
    given = {"days": days, "start": window.start, "end": window.end, "first": days[0], "last": days[-1]}
    with connection.transaction():
        shadowed = connection.execute(SHADOWED, given).fetchall()
        stepped = connection.execute(STEPPED, given).fetchall()
    by_id = {version.id: version for version in list_versions(connection)}
    return [
        *((by_id[one], by_id[other], True) for one, other in shadowed),
        *((by_id[one], by_id[other], False) for one, other in stepped if (one, other) not in shadowed),
    ]


def count_rule_sets(connection: Connection[TupleRow], window: Window) -> int:
    """Count, per day, model and pair of rule sets, the calls of the window (whole days) that both judged.

    Replaces the window's days; returns the rows. Where there was only ever one set, nothing is read.
    """
    with writing(connection, relation=RELATION):
        if connection.execute(SEVERAL_SETS).fetchone() == (False,):
            return 0
        connection.execute(
            "delete from evaluation.rule_set_bridges where day = any(%s)", (days_of([window]),)
        )
        return connection.execute(COUNT, {"start": window.start, "end": window.end}).rowcount
