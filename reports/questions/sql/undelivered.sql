-- Messages not delivered
-- Which messages wait, though no silence holds them back?
select happened_at as time, rule, group_key, transition, n_messages - n_sent as n_waiting, message
from marts.alert_history
where happened_at >= :since and happened_at < :until and n_sent < n_messages and not was_silenced
order by happened_at desc
limit 100
