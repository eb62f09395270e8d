{{ config(materialized='view', post_hook="{{ create_latency_percentiles() }}") }}

-- For more than a day: latency_percentiles().
-- depends_on: {{ ref('calendar') }}

with buckets as (

    select * from {{ ref('latency_daily_histogram') }}

),

ranked as (

    select
        *,
        sum(n_calls) over (
            partition by day, model, project, measure
            order by bucket
        ) as n_up_to_here,
        sum(n_calls) over (partition by day, model, project, measure) as n_total
    from buckets

),

final as (

    select
        day,
        model,
        project,
        measure,
        max(n_total)::bigint as n_calls,
        {{ histogram_percentile(0.5) }} as p50_ms,
        {{ histogram_percentile(0.95) }} as p95_ms,
        {{ histogram_percentile(0.99) }} as p99_ms
    from ranked
    group by 1, 2, 3, 4

)

select * from final
