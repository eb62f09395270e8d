-- What moved the cost
-- Where did the last seven whole days cost more or less than the seven before: by volume, or by rate?
select
    dimension,
    name,
    amount_usd,
    before_usd,
    delta_usd,
    volume_usd,
    rate_usd,
    n_attempts,
    n_attempts_before,
    first_day,
    last_day
from marts.cost_movers
where period = 'week' and place <= 5 and dimension in ('model', 'project', 'prompt', 'key', 'user')
order by dimension, place, name
limit 100
