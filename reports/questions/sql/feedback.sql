-- What users say
-- What share of the opinions given is positive, by name of feedback?
select
    date_trunc(:grain, hour, 'UTC') as time,
    name,
    sum(n_positive)::double precision / nullif(sum(n_values), 0) as value
from marts.feedback_hourly
where hour >= :since and hour < :until and :in(project) and :in(model)
group by 1, 2
order by 1, 2
