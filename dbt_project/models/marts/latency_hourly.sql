-- Percentiles are over calls that ended well: an error that fails fast would flatter its model.

with calls as (

    select
        date_trunc('hour', started_at, 'UTC') as hour,
        provider,
        model,
        status,
        case when status = 'ok' then latency_ms end as latency_ms,
        case when status = 'ok' then ttft_ms end as ttft_ms
    from {{ ref('calls') }}
    where {{ in_windows('started_at') }}

),

measured as (

    select
        hour,
        provider,
        model,
        count(*) as n_calls,
        count(*) filter (where status = 'error') as n_error,
        count(latency_ms) as n_latency,
        percentile_cont(array[0.5, 0.95, 0.99]) within group (order by latency_ms) as latency,
        max(latency_ms) as latency_max_ms,
        count(ttft_ms) as n_ttft,
        percentile_cont(array[0.5, 0.95, 0.99]) within group (order by ttft_ms) as ttft,
        max(ttft_ms) as ttft_max_ms
    from calls
    group by 1, 2, 3

),

final as (

    select
        hour,
        provider,
        model,
        n_calls,
        n_error,
        n_latency,
        latency[1] as latency_p50_ms,
        latency[2] as latency_p95_ms,
        latency[3] as latency_p99_ms,
        latency_max_ms,
        n_ttft,
        ttft[1] as ttft_p50_ms,
        ttft[2] as ttft_p95_ms,
        ttft[3] as ttft_p99_ms,
        ttft_max_ms
    from measured

)

select * from final
