-- Failed a check, by hour and day of week
-- At which hours of which weekdays (UTC) do most calls fail? Of all projects and rules.
with hours as (

    select
        extract(hour from hour at time zone 'UTC')::integer as hour,
        extract(isodow from hour at time zone 'UTC')::integer as weekday,
        n_scored,
        n_failed
    from marts.failing_hourly
    where hour >= :since and hour < :until and :in(model)

),

shares as (

    select
        hour,
        weekday,
        sum(n_failed)::double precision / nullif(sum(n_scored), 0) as share,
        sum(n_scored) as n_scored
    from hours
    group by hour, weekday

)

select
    hour,
    max(share) filter (where weekday = 1) as "Mon",
    max(share) filter (where weekday = 2) as "Tue",
    max(share) filter (where weekday = 3) as "Wed",
    max(share) filter (where weekday = 4) as "Thu",
    max(share) filter (where weekday = 5) as "Fri",
    max(share) filter (where weekday = 6) as "Sat",
    max(share) filter (where weekday = 7) as "Sun",
    sum(n_scored)::bigint as n_scored
from shares
group by hour
order by hour
