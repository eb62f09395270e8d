-- Messages not delivered
-- Which messages wait or were given up, though neither a silence nor a mute holds them back?
select
    happened_at as time,
    rule,
    group_key,
    transition,
    n_messages - n_sent - n_given_up as n_waiting,
    n_given_up,
    message
from marts.alert_history
where happened_at >= :since and happened_at < :until
    and n_sent < n_messages
    and not was_silenced
    and not was_muted
order by happened_at desc
limit 100
