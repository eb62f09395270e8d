-- One row per UTC day of the run's windows and version of a judge that answers for it: one that has worked on the day,
-- whose judgements are of it, or that is enabled and should.

with calls as (

    select * from {{ ref('calls') }}
    where {{ in_windows('started_at') }}

),

versions as (

    select * from {{ ref('stg_evaluation__evaluator_versions') }}

),

judges as (

    select * from {{ ref('stg_evaluation__judges') }}

),

policies as (

    select * from {{ ref('stg_evaluation__judge_policies') }}

),

judge_days as (

    select * from {{ ref('stg_evaluation__judge_days') }}
    where {{ day_in_windows('day') }}

),

judgements as (

    select * from {{ ref('stg_evaluation__judgements') }}
    where {{ in_windows('started_at') }}

),

asked as (

    select
        judges.evaluator_version_id,
        policies.*,
        greatest(policies.applies_from, (versions.current_from at time zone 'UTC')::date) as first_day
    from judges
    inner join policies using (policy)
    inner join versions using (evaluator_version_id)
    where judges.is_enabled

),

days as (

    select distinct (started_at at time zone 'UTC')::date as day from calls

),

answerable as (

    select asked.evaluator_version_id, days.day
    from asked
    inner join days on days.day >= asked.first_day
    union
    select evaluator_version_id, day from judge_days
    union
    select evaluator_version_id, (started_at at time zone 'UTC')::date from judgements

),

final as (

    select
        answerable.day,
        answerable.evaluator_version_id,
        versions.evaluator,
        versions.evaluator_version,
        versions.kind,
        asked.evaluator_version_id is not null as is_open,
        judge_days.topped_up_at is not null as is_finished,
        coalesce(asked.policy, judge_days.policy) as policy,
        asked.rate,
        asked.on_failure,
        asked.models,
        asked.prompts,
        asked.projects
    from answerable
    inner join versions using (evaluator_version_id)
    left join asked using (evaluator_version_id)
    left join judge_days using (evaluator_version_id, day)

)

select * from final
