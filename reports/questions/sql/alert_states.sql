-- State of the alerts
-- What fires now, and since when? Whatever span is chosen.
select rule, group_key, state, since, value, n, evaluated_at
from marts.alert_states
order by state = 'firing' desc, state = 'pending' desc, since desc
limit 200
