-- State of the alerts
-- What fires now, since when, how bad, whose is it, who has taken it on? Whatever span is chosen.
select
    state,
    severity,
    rule,
    group_key,
    since,
    value,
    threshold,
    n,
    owner,
    acknowledged_by,
    silenced_until,
    muted_until,
    evaluated_at,
    fingerprint
from marts.alert_states
order by state = 'firing' desc, state = 'pending' desc, since desc
limit 200
