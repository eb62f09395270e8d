-- Availability of providers, by model
-- What share of attempts did a provider answer? An attempt that a fallback saved counts as missed.
select
    date_trunc(:grain, hour, 'UTC') as time,
    provider || ' · ' || model as provider,
    sum(n_ok + n_refused)::double precision / nullif(sum(n_attempts - n_unknown), 0) as value
from marts.model_availability
where hour >= :since and hour < :until and :in(model)
group by 1, 2
order by 1, 2
