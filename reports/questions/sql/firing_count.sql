-- Firing now
-- How many alerts fire at this moment, how many are about to?
select
    count(*) filter (where state = 'firing') as "Firing",
    count(*) filter (where state = 'pending') as "Pending"
from marts.alert_states
