-- By attempt, not by call: a call that was saved by a fallback still says that its first provider failed.

with attempts as (

    select
        *,
        date_trunc('hour', started_at, 'UTC') as hour
    from {{ ref('int_attempts__in_window') }}

),

counted as (

    select
        hour,
        provider,
        model,
        count(*) as n_attempts,
        count(*) filter (where outcome = 'ok') as n_ok,
        count(*) filter (where outcome = 'refused') as n_refused,
        count(*) filter (where outcome = 'throttled') as n_throttled,
        count(*) filter (where outcome = 'timeout') as n_timeout,
        count(*) filter (where outcome = 'server_error') as n_server_error,
        count(*) filter (where outcome = 'unreachable') as n_unreachable,
        count(*) filter (where outcome = 'broke_off') as n_broke_off,
        count(*) filter (where outcome = 'unknown') as n_unknown,
        count(*) filter (where outcome in ('ok', 'refused')) as n_available,
        count(*) filter (where outcome <> 'unknown') as n_judged
    from attempts
    group by 1, 2, 3

),

final as (

    select
        hour,
        provider,
        model,
        n_attempts,
        n_ok,
        n_refused,
        n_throttled,
        n_timeout,
        n_server_error,
        n_unreachable,
        n_broke_off,
        n_unknown,
        {{ share('n_available', 'n_judged') }} as availability,
        {{ wilson_bound('n_available', 'n_judged', 'low') }} as availability_low,
        {{ wilson_bound('n_available', 'n_judged', 'high') }} as availability_high
    from counted

)

select * from final
