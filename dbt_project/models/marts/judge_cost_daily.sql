{{ config(materialized='view') }}

with hours as (

    select * from {{ ref('judge_cost_hourly') }}

),

final as (

    select
        (hour at time zone 'UTC')::date as day,
        provider,
        model,
        judge,
        evaluator,
        evaluator_version,
        sum(n_calls)::bigint as n_calls,
        sum(n_error)::bigint as n_error,
        sum(n_priced)::bigint as n_priced,
        sum(n_unpriced)::bigint as n_unpriced,
        sum(input_uncached)::bigint as input_uncached,
        sum(cache_read)::bigint as cache_read,
        sum(cache_write)::bigint as cache_write,
        sum(output_text)::bigint as output_text,
        sum(reasoning)::bigint as reasoning,
        sum(amount_usd) as amount_usd
    from hours
    group by 1, 2, 3, 4, 5, 6

)

select * from final
