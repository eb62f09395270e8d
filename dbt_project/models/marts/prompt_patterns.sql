{{ config(materialized='view') }}

-- A view over prompt_patterns_daily: growth and baseline are right whatever days were rebuilt since. Ask for days.

with days as (

    select * from {{ ref('prompt_patterns_daily') }}

),

-- The same again: a CTE that is read twice would be read whole, whatever day is asked for.
earlier_days as (

    select * from {{ ref('prompt_patterns_daily') }}

),

templates as (

    select * from {{ ref('stg_evaluation__prompt_templates') }}

),

compared as (

    select
        *,
        (sum(n_scored) over day_of_template - n_scored)::bigint as n_rest_scored,
        (sum(n_failed) over day_of_template - n_failed)::bigint as n_rest_failed
    from days
    window day_of_template as (partition by day)

),

rates as (

    select
        *,
        {{ share('n_failed', 'n_scored') }} as fail_rate,
        {{ wilson_bound('n_failed', 'n_scored', 'low') }} as fail_rate_low,
        {{ wilson_bound('n_failed', 'n_scored', 'high') }} as fail_rate_high,
        {{ share('n_rest_failed', 'n_rest_scored') }} as rest_fail_rate
    from compared

),

ranked as (

    select
        *,
        n_failed - n_scored * rest_fail_rate as excess_failures,
        -- By what is sure, not by what was seen: 2 of 2 is no pattern. Below 20 scored calls there is no rank.
        case
            when n_scored >= 20 then
                row_number() over (
                    partition by day, n_scored >= 20
                    order by
                        fail_rate_low desc,
                        n_failed - n_scored * coalesce(rest_fail_rate, 0) desc,
                        template_id
                )
        end::integer as position
    from rates

),

final as (

    select
        ranked.day,
        ranked.template_id,
        templates.origin,
        templates.template,
        templates.project,
        ranked.position,
        ranked.n_calls,
        ranked.n_scored,
        ranked.n_failed,
        ranked.fail_rate,
        ranked.fail_rate_low,
        ranked.fail_rate_high,
        ranked.rest_fail_rate,
        ranked.excess_failures,
        earlier.n_calls as n_calls_week_before,
        7 * ranked.n_calls / nullif(earlier.n_calls, 0)::double precision as growth,
        coalesce(templates.first_seen_at, ranked.first_seen_at) as first_seen_at,
        ranked.last_seen_at,
        templates.first_seen_at >= ranked.day::timestamp at time zone 'UTC' as is_new,
        ranked.models,
        ranked.prompt_versions,
        ranked.example_call_ids
    from ranked
    inner join templates using (template_id)
    left join lateral (
        select coalesce(sum(before.n_calls), 0)::bigint as n_calls
        from earlier_days as before
        where before.template_id = ranked.template_id
            and before.day >= ranked.day - 7
            and before.day < ranked.day
    ) as earlier on true

)

select * from final
