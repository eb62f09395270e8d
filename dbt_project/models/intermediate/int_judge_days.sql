-- One row per UTC day of the run's windows and version of a judge that answers for it: one that was current on the day,
-- and that has worked on it, whose judgements are of it, or that is enabled and should. What a draft or a later version
-- says of the day stays out of its line.

with calls as (

    select * from {{ ref('calls') }}
    where {{ in_windows('started_at') }}

),

versions as (

    select * from {{ ref('stg_evaluation__evaluator_versions') }}

),

-- Another version may take over within the day: then each answers for the calls of its own hours.
periods as (

    select
        evaluator_version_id,
        coalesce(current_from, '-infinity') as current_from,
        coalesce(current_to, 'infinity') as current_to
    from {{ ref('stg_evaluation__version_periods') }}
    where kind <> 'rule'

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
        periods.current_from,
        periods.current_to,
        asked.evaluator_version_id is not null as is_open,
        judge_days.topped_up_at is not null as is_finished,
        coalesce(asked.policy, judge_days.policy) as policy,
        asked.rate,
        asked.on_failure,
        asked.models,
        asked.prompts,
        asked.projects
    from answerable
    inner join versions on versions.evaluator_version_id = answerable.evaluator_version_id
    inner join periods
        on periods.evaluator_version_id = answerable.evaluator_version_id
        and periods.current_from < (answerable.day + 1)::timestamp at time zone 'UTC'
        and periods.current_to > answerable.day::timestamp at time zone 'UTC'
    left join asked on asked.evaluator_version_id = answerable.evaluator_version_id
    left join judge_days
        on judge_days.evaluator_version_id = answerable.evaluator_version_id
        and judge_days.day = answerable.day

)

select * from final
