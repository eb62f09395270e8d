{{ config(materialized='view') }}

with closes as (

    select * from {{ ref('stg_evaluation__day_closes') }}

),

checks as (

    select
        day,
        count(*) filter (where not passed and severity = 'error') as n_checks_failed,
        count(*) filter (where not passed and severity = 'warn') as n_checks_warned
    from {{ ref('stg_evaluation__day_checks') }}
    group by day

),

restatements as (

    select
        day,
        count(*) as n_restatements,
        array_agg(distinct reason) as reasons,
        max(restated_at) as last_restated_at
    from {{ ref('stg_evaluation__restatements') }}
    group by day

),

days as (

    select day from closes
    union
    select day from checks
    union
    select day from restatements

),

final as (

    select
        day,
        coalesce(closes.reopened_at is null or closes.reopened_at < closes.closed_at, true)
            and closes.closed_at is not null as is_closed,
        closes.n_calls,
        closes.closed_at,
        closes.reopened_at,
        coalesce(checks.n_checks_failed, 0) as n_checks_failed,
        coalesce(checks.n_checks_warned, 0) as n_checks_warned,
        coalesce(restatements.n_restatements, 0) as n_restatements,
        coalesce(restatements.reasons, '{}') as reasons,
        restatements.last_restated_at
    from days
    left join closes using (day)
    left join checks using (day)
    left join restatements using (day)

)

select * from final
