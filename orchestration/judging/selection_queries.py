"""SQL of selecting calls for a judge. Constants bind every relation to the window."""

from typing import LiteralString

_SCOPE: LiteralString = """
    calls.started_at >= %(start)s
    and calls.started_at < %(end)s
    and calls.purpose in ('product', 'demo')
    and (%(models)s::text[] is null or calls.requested_model = any(%(models)s))
    and (%(prompts)s::text[] is null or calls.prompt_name = any(%(prompts)s))
    and (%(projects)s::text[] is null or coalesce(calls.project, '(none)') = any(%(projects)s))
    and not exists (
        select from evaluation.quarantine
        where quarantine.started_at = calls.started_at
            and quarantine.call_id = calls.call_id
            and quarantine.started_at >= %(start)s
            and quarantine.started_at < %(end)s
    )
"""

# As the mart `calls` has it: the current rule set's result, else the newest other one.
_FAILING: LiteralString = """
failing as (
    select started_at, call_id
    from (
        select distinct on (results.started_at, results.call_id)
            results.started_at,
            results.call_id,
            results.failed && rule_sets.failing as is_failing
        from evaluation.rule_results as results
        inner join (
            select
                sets.id,
                sets.current_to is null as is_current,
                array_agg(versions.evaluator)
                    filter (where versions.severity is distinct from 'info') as failing
            from evaluation.rule_sets as sets
            inner join evaluation.rule_set_members as members on members.rule_set_version = sets.id
            inner join evaluation.evaluator_versions as versions on versions.id = members.evaluator_version_id
            group by sets.id
        ) as rule_sets on rule_sets.id = results.rule_set_version
        where results.started_at >= %(start)s
            and results.started_at < %(end)s
            and %(on_failure)s
        order by results.started_at, results.call_id, rule_sets.is_current desc, results.rule_set_version desc
    ) as newest
    where is_failing
)
"""

_STRATUM: LiteralString = """
    array_to_string(array[
        case when 'model' = any(%(strata)s) then 'model=' || calls.requested_model end,
        case when 'prompt' = any(%(strata)s) then 'prompt=' || coalesce(calls.prompt_name, '(none)') end,
        case when 'project' = any(%(strata)s) then 'project=' || coalesce(calls.project, '(none)') end,
        case when 'user' = any(%(strata)s) then 'user=' || coalesce(calls.user_id, '(none)') end
    ], ' / ')
"""

_UNJUDGED: LiteralString = """
    not exists (
        select from evaluation.judgements
        where judgements.started_at = selections.started_at
            and judgements.call_id = selections.call_id
            and judgements.policy = selections.policy
            and judgements.unscored_reason is distinct from 'skipped_budget'
            and judgements.started_at >= %(start)s
            and judgements.started_at < %(end)s
    )
"""

# Where the rate has changed, what nobody has been asked about yet is selected anew.
DROP_OUTDATED: LiteralString = f"""
delete from evaluation.judge_selections as selections
where selections.started_at >= %(start)s
    and selections.started_at < %(end)s
    and selections.policy = %(policy)s
    and selections.phase = 1
    and not selections.is_failure
    and selections.rate <> %(rate)s
    and {_UNJUDGED}
"""

SELECT: LiteralString = f"""
with {_FAILING}
insert into evaluation.judge_selections (
    started_at, call_id, policy, probability, rate, phase, is_failure, stratum
)
select
    calls.started_at,
    calls.call_id,
    %(policy)s,
    case when failing.call_id is null then %(rate)s else 1 end,
    %(rate)s,
    1,
    failing.call_id is not null,
    {_STRATUM}
from raw.llm_calls as calls
left join failing using (started_at, call_id)
where {_SCOPE}
    and (failing.call_id is not null or evaluation.sample_point(calls.call_id, %(policy)s) < %(rate)s)
on conflict (started_at, call_id, policy) do update
set probability = greatest(judge_selections.probability, excluded.probability),
    rate = excluded.rate,
    is_failure = judge_selections.is_failure or excluded.is_failure,
    stratum = excluded.stratum
where judge_selections.probability < excluded.probability
    or judge_selections.stratum <> excluded.stratum
"""

# What the budget left out and the policy would no longer select is not to be tried again.
DROP_SKIPPED: LiteralString = """
delete from evaluation.judgements
where judgements.started_at >= %(start)s
    and judgements.started_at < %(end)s
    and judgements.is_retriable
    and judgements.policy = %(policy)s
    and judgements.unscored_reason = 'skipped_budget'
    and not exists (
        select from evaluation.judge_selections as selections
        where selections.started_at = judgements.started_at
            and selections.call_id = judgements.call_id
            and selections.policy = judgements.policy
            and selections.started_at >= %(start)s
            and selections.started_at < %(end)s
    )
"""

_RANKED: LiteralString = f"""
with {_FAILING},
candidates as (
    select
        calls.started_at,
        calls.call_id,
        {_STRATUM} as stratum,
        coalesce(selections.is_failure, failing.call_id is not null) as is_failure,
        selections.call_id is not null as is_selected,
        evaluation.sample_point(calls.call_id, %(policy)s) as point
    from raw.llm_calls as calls
    left join failing using (started_at, call_id)
    left join evaluation.judge_selections as selections
        on selections.started_at = calls.started_at
        and selections.call_id = calls.call_id
        and selections.policy = %(policy)s
        and selections.started_at >= %(start)s
        and selections.started_at < %(end)s
    where {_SCOPE}
)
"""

STRATA_OF_DAY: LiteralString = f"""
{_RANKED}
select stratum, count(*) filter (where is_failure), count(*) filter (where not is_failure)
from candidates
group by stratum
"""

TOP_UP: LiteralString = f"""
{_RANKED},
ranked as (
    select *, row_number() over (partition by stratum order by point, call_id) as place
    from candidates
    where not is_failure
)
insert into evaluation.judge_selections (
    started_at, call_id, policy, probability, rate, phase, is_failure, stratum
)
select ranked.started_at, ranked.call_id, %(policy)s, plan.probability, %(rate)s, 2, false, ranked.stratum
from ranked
inner join unnest(%(names)s::text[], %(needed)s::integer[], %(probabilities)s::float8[])
    as plan (stratum, needed, probability) using (stratum)
where not ranked.is_selected and ranked.place <= plan.needed
on conflict do nothing
"""

# All of a stratum that no failure brought in had the same chance, whichever phase took it.
SET_PROBABILITIES: LiteralString = """
update evaluation.judge_selections as selections
set probability = plan.probability
from unnest(%(names)s::text[], %(probabilities)s::float8[]) as plan (stratum, probability)
where selections.started_at >= %(start)s
    and selections.started_at < %(end)s
    and selections.policy = %(policy)s
    and selections.stratum = plan.stratum
    and not selections.is_failure
    and selections.probability <> plan.probability
"""

# A judgement carries the probability of its call, also where that has changed since.
CARRY_OVER: LiteralString = """
with changed as (
    update evaluation.judgements
    set inclusion_probability = selections.probability
    from evaluation.judge_selections as selections
    where judgements.started_at = selections.started_at
        and judgements.call_id = selections.call_id
        and judgements.policy = selections.policy
        and judgements.inclusion_probability <> selections.probability
        and judgements.started_at >= %(start)s
        and judgements.started_at < %(end)s
        and selections.started_at >= %(start)s
        and selections.started_at < %(end)s
        and selections.policy = %(policy)s
    returning judgements.started_at
)
select distinct date_trunc('hour', started_at, 'UTC') from changed order by 1
"""
