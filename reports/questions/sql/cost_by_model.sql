-- Cost by model
-- What do priced calls cost in USD? Calls without a price are not in it: see "Without a price".
with amounts as (

    select date_trunc(:grain, hour, 'UTC') as time, model, amount_usd
    from marts.calls_hourly
    where :use_hours and hour >= :since and hour < :until and :in(model)
    union all
    select date_trunc(:grain, day::timestamp) at time zone 'UTC' as time, model, amount_usd
    from marts.model_comparison
    where not :use_hours and day >= :since_day and day <= :until_day and :in(model)

)

select time, model, sum(amount_usd) as value
from amounts
group by time, model
order by time, model
