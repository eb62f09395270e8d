-- Money of the hours is that of the charges, of every purpose, to the last digit.

with charges as (

    select
        date_trunc('hour', started_at, 'UTC') as hour,
        count(*) as n_attempts,
        sum(amount_usd) as amount_usd
    from {{ ref('stg_cost__charges') }}
    where {{ in_windows('started_at') }}
    group by 1

),

hours as (

    select
        hour,
        sum(n_attempts) as n_attempts,
        sum(amount_usd) as amount_usd
    from {{ ref('cost_hourly') }}
    where {{ in_windows('hour') }}
    group by 1

),

final as (

    select *
    from charges
    full join hours using (hour)
    where charges.n_attempts is distinct from hours.n_attempts
        or charges.amount_usd is distinct from hours.amount_usd

)

select * from final
