-- One row per call of the run's windows and version of a judge that answers for it, with what became of it.

with calls as (

    select * from {{ ref('calls') }}
    where {{ in_windows('started_at') }}

),

days as (

    select * from {{ ref('int_judge_days') }}

),

judgements as (

    select * from {{ ref('stg_evaluation__judgements') }}
    where {{ in_windows('started_at') }}

),

selections as (

    select * from {{ ref('stg_evaluation__judge_selections') }}
    where {{ in_windows('started_at') }}

),

final as (

    select
        calls.started_at,
        calls.call_id,
        calls.model,
        calls.project,
        days.evaluator,
        days.evaluator_version,
        days.kind,
        case
            when judgements.value is not null then 'scored'
            when judgements.unscored_reason is not null then judgements.unscored_reason
            when selections.call_id is not null then case when days.is_open then 'pending' else 'superseded' end
            -- Landed since the judge last looked: the policy says what it will do with the call. Once a closed day is
            -- done, rules that came later make no call a failing one that the judge should have seen.
            when days.is_open
                and (
                    evaluation.sample_point(calls.call_id, days.policy) < days.rate
                    or (days.on_failure and calls.is_failed and not days.is_finished)
                )
                then 'pending'
            else 'sampled_out'
        end as outcome,
        judgements.value::double precision as value,
        1 / nullif(judgements.inclusion_probability, 0) as weight,
        -- Calls with the same content share one verdict: they are one cluster.
        coalesce(encode(judgements.content_hash, 'hex'), calls.call_id::text) as cluster
    from calls
    inner join days
        on days.day = (calls.started_at at time zone 'UTC')::date
        and days.current_from <= calls.started_at
        and days.current_to > calls.started_at
    left join judgements
        on judgements.started_at = calls.started_at
        and judgements.call_id = calls.call_id
        and judgements.evaluator_version_id = days.evaluator_version_id
    left join selections
        on selections.started_at = calls.started_at
        and selections.call_id = calls.call_id
        and selections.policy = days.policy
    where judgements.call_id is not null
        or (
            (days.models is null or calls.model = any(days.models))
            and (days.prompts is null or calls.prompt_name = any(days.prompts))
            and (days.projects is null or calls.project = any(days.projects))
        )

)

select * from final
