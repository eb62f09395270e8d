-- Totals
-- How many calls were there, what share ended in an error or failed a check, what did they cost?
with traffic as (

    select n_calls, n_error, n_scored, n_failed, n_priced, amount_usd
    from marts.calls_hourly
    where :use_hours and hour >= :since and hour < :until and :in(model)
    union all
    select n_calls, n_error, n_scored, n_failed, n_priced, amount_usd
    from marts.model_comparison
    where not :use_hours and day >= :since_day and day <= :until_day and :in(model)

)

select
    sum(n_calls)::bigint as "Calls",
    sum(n_error)::double precision / nullif(sum(n_calls), 0) as "Errors",
    sum(n_failed)::double precision / nullif(sum(n_scored), 0) as "Failed a check",
    sum(n_scored)::double precision / nullif(sum(n_calls), 0) as "Checked",
    sum(amount_usd) as "Cost",
    1 - sum(n_priced)::double precision / nullif(sum(n_calls), 0) as "Without a price"
from traffic
