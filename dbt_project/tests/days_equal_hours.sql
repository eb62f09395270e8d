-- Money of the days is that of their hours.

with hours as (

    select
        (hour at time zone 'UTC')::date as day,
        sum(n_calls) as n_calls,
        sum(amount_usd) as amount_usd
    from {{ ref('calls_hourly') }}
    where {{ on_window_days('hour') }}
    group by 1

),

days as (

    select
        day,
        sum(n_calls) as n_calls,
        sum(amount_usd) as amount_usd
    from {{ ref('cost_daily') }}
    where {{ day_in_windows('day') }}
    group by 1

),

final as (

    select *
    from hours
    full join days using (day)
    where hours.n_calls is distinct from days.n_calls
        or hours.amount_usd is distinct from days.amount_usd

)

select * from final
