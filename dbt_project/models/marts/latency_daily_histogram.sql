with hours as (

    select
        (hour at time zone 'UTC')::date as day,
        *
    from {{ ref('latency_hourly_histogram') }}
    where {{ on_window_days('hour') }}

),

final as (

    select
        hours.day,
        hours.model,
        hours.project,
        hours.measure,
        buckets.bucket,
        sum(buckets.n_calls)::bigint as n_calls
    from hours
    cross join unnest(hours.buckets, hours.counts) as buckets (bucket, n_calls)
    group by 1, 2, 3, 4, 5

)

select * from final
