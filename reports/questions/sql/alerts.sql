-- Alerts
-- What fired, resolved or changed, when, for what, why, and was it told?
select
    happened_at as time,
    rule,
    group_key,
    transition,
    severity,
    value,
    threshold,
    n,
    message,
    ended_at,
    was_silenced,
    n_sent || ' of ' || n_messages as messages_sent
from marts.alert_history
where happened_at >= :since and happened_at < :until
order by happened_at desc
limit 500
