-- Alerts
-- What fired, resolved or changed, when, for what, why, was it told, and who took it on?
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
    owner,
    acknowledged_by,
    was_silenced,
    was_muted,
    n_sent || ' of ' || n_messages as messages_sent,
    source
from marts.alert_history
where happened_at >= :since and happened_at < :until
order by happened_at desc
limit 500
