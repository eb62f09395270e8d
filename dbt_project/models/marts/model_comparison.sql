-- Each model against all other models of its day. Traffic is not adjusted: a model that got easier calls looks better.

with hours as (

    select
        (hour at time zone 'UTC')::date as day,
        *
    from {{ ref('calls_hourly') }}
    where {{ on_window_days('hour') }}

),

buckets as (

    select
        day,
        model,
        bucket,
        sum(n_calls) as n_calls
    from {{ ref('latency_daily_histogram') }}
    where {{ day_in_windows('day') }}
        and measure = 'latency'
    group by 1, 2, 3

),

models as (

    select
        day,
        model,
        sum(n_calls)::bigint as n_calls,
        sum(n_error)::bigint as n_error,
        sum(n_scored)::bigint as n_scored,
        sum(n_failed)::bigint as n_failed,
        sum(n_priced)::bigint as n_priced,
        sum(amount_usd) as amount_usd
    from hours
    group by 1, 2

),

compared as (

    select
        *,
        (sum(n_scored) over day_of_model - n_scored)::bigint as n_rest_scored,
        (sum(n_failed) over day_of_model - n_failed)::bigint as n_rest_failed
    from models
    window day_of_model as (partition by day)

),

rates as (

    select
        *,
        {{ share('n_failed', 'n_scored') }} as fail_rate,
        {{ wilson_bound('n_failed', 'n_scored', 'low') }} as fail_rate_low,
        {{ wilson_bound('n_failed', 'n_scored', 'high') }} as fail_rate_high,
        {{ share('n_rest_failed', 'n_rest_scored') }} as rest_fail_rate,
        {{ wilson_bound('n_rest_failed', 'n_rest_scored', 'low') }} as rest_fail_rate_low,
        {{ wilson_bound('n_rest_failed', 'n_rest_scored', 'high') }} as rest_fail_rate_high
    from compared

),

-- Newcombe 1998, Statistics in Medicine 17:873, method 10: the interval of a difference from two score intervals.
differences as (

    select
        *,
        fail_rate - rest_fail_rate as difference,
        fail_rate - rest_fail_rate
            - sqrt((fail_rate - fail_rate_low) ^ 2 + (rest_fail_rate_high - rest_fail_rate) ^ 2) as difference_low,
        fail_rate - rest_fail_rate
            + sqrt((fail_rate_high - fail_rate) ^ 2 + (rest_fail_rate - rest_fail_rate_low) ^ 2) as difference_high
    from rates

),

ranked as (

    select
        *,
        sum(n_calls) over (
            partition by day, model
            order by bucket
        ) as n_up_to_here,
        sum(n_calls) over (partition by day, model) as n_total
    from buckets

),

latencies as (

    select
        day,
        model,
        {{ histogram_percentile(0.5) }} as latency_p50_ms,
        {{ histogram_percentile(0.95) }} as latency_p95_ms
    from ranked
    group by 1, 2

),

final as (

    select
        day,
        model,
        n_calls,
        n_error,
        n_scored,
        n_failed,
        fail_rate,
        fail_rate_low,
        fail_rate_high,
        n_rest_scored,
        rest_fail_rate,
        difference,
        difference_low,
        difference_high,
        case
            when n_scored < 30 or n_rest_scored < 30 then 'not enough data'
            when difference_low > 0 then 'worse'
            when difference_high < 0 then 'better'
            else 'no difference shown'
        end as verdict,
        latencies.latency_p50_ms,
        latencies.latency_p95_ms,
        n_priced,
        amount_usd,
        1000 * amount_usd / nullif(n_priced, 0) as cost_per_1k_calls_usd
    from differences
    left join latencies using (day, model)

)

select * from final
