-- One array pair a row: as a row per bucket, hours would be twenty times the size of days.

with calls as (

    select
        date_trunc('hour', started_at, 'UTC') as hour,
        model,
        project,
        latency_ms,
        ttft_ms
    from {{ ref('calls') }}
    where {{ in_windows('started_at') }}
        and status = 'ok'

),

measured as (

    select
        calls.hour,
        calls.model,
        calls.project,
        measures.measure,
        {{ histogram_bucket('measures.milliseconds') }} as bucket
    from calls
    cross join lateral (
        values ('latency', calls.latency_ms), ('ttft', calls.ttft_ms)
    ) as measures (measure, milliseconds)
    where measures.milliseconds is not null

),

counted as (

    select
        hour,
        model,
        project,
        measure,
        bucket,
        count(*)::integer as count_calls
    from measured
    group by 1, 2, 3, 4, 5

),

final as (

    select
        hour,
        model,
        project,
        measure,
        array_agg(bucket order by bucket) as buckets,
        array_agg(count_calls order by bucket) as counts
    from counted
    group by 1, 2, 3, 4

)

select * from final
