-- Traffic and money of the hours are those of the calls: a mart that doubled would show here.

with calls as (

    select
        date_trunc('hour', started_at, 'UTC') as hour,
        count(*) as n_calls,
        sum(amount_usd) as amount_usd
    from {{ ref('calls') }}
    where {{ in_windows('started_at') }}
    group by 1

),

hours as (

    select
        hour,
        sum(n_calls) as n_calls,
        sum(amount_usd) as amount_usd
    from {{ ref('calls_hourly') }}
    where {{ in_windows('hour') }}
    group by 1

),

final as (

    select *
    from calls
    full join hours using (hour)
    where calls.n_calls is distinct from hours.n_calls
        or calls.amount_usd is distinct from hours.amount_usd

)

select * from final
