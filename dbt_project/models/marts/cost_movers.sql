{{ config(materialized='view') }}

-- The newest whole days against as many before them. The newest day of the marts may still run, and is left out.

with others as (

    select {{ has_more_than_a_demo() }} as has_others

),

days as (

    select * from {{ ref('cost_attempts_daily') }}
    where purpose <> 'demo' or not (select has_others from others)

),

users as (

    select * from {{ ref('cost_by_user') }}

),

newest as (

    select (max(hour) at time zone 'UTC')::date - 1 as day from {{ ref('cost_hourly') }}
    where purpose <> 'demo' or not (select has_others from others)

),

periods as (

    select
        period,
        newest.day - n_days + 1 as first_day,
        newest.day - 2 * n_days + 1 as first_day_before,
        newest.day as last_day
    from newest
    cross join (values ('day', 1), ('week', 7), ('month', 28)) as lengths (period, n_days)

),

-- Twice the longest period and no more: what lies before it is not read.
newest_days as (

    select * from days
    where days.day > (select newest.day - 56 from newest) and days.day <= (select newest.day from newest)

),

cells as (

    select
        days.day,
        named.dimension,
        named.name,
        days.amount_usd,
        days.n_attempts
    from newest_days as days
    cross join lateral (
        values
        ('model', days.model),
        ('project', days.project),
        ('environment', days.environment),
        ('key', days.key_id),
        ('prompt', days.prompt_name || ' ' || days.prompt_version),
        ('purpose', days.purpose),
        ('line', days.line)
    ) as named (dimension, name)
    union all
    select
        users.day,
        'user' as dimension,
        users.user_id as name,
        users.amount_usd,
        users.n_calls as n_attempts
    from users
    where users.day > (select newest.day - 56 from newest) and users.day <= (select newest.day from newest)

),

amounts as (

    select
        periods.period,
        periods.first_day,
        periods.last_day,
        cells.dimension,
        cells.name,
        coalesce(sum(cells.amount_usd) filter (where cells.day >= periods.first_day), 0) as amount_usd,
        coalesce(sum(cells.amount_usd) filter (where cells.day < periods.first_day), 0) as before_usd,
        coalesce(sum(cells.n_attempts) filter (where cells.day >= periods.first_day), 0)::bigint as n_attempts,
        coalesce(sum(cells.n_attempts) filter (where cells.day < periods.first_day), 0)::bigint as n_attempts_before
    from periods
    inner join cells on cells.day >= periods.first_day_before and cells.day <= periods.last_day
    group by 1, 2, 3, 4, 5

),

split as (

    select
        *,
        amount_usd - before_usd as delta_usd,
        (n_attempts - n_attempts_before) * before_usd / nullif(n_attempts_before, 0) as volume_usd
    from amounts

),

final as (

    select
        period,
        first_day,
        last_day,
        dimension,
        name,
        amount_usd,
        before_usd,
        delta_usd,
        coalesce(volume_usd, delta_usd) as volume_usd,
        delta_usd - coalesce(volume_usd, delta_usd) as rate_usd,
        n_attempts,
        n_attempts_before,
        rank() over (partition by period, dimension order by abs(delta_usd) desc) as place
    from split

)

select * from final
