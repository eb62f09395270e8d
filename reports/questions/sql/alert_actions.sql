-- What people did about alerts
-- Who acknowledged, silenced or muted what, and when?
select acted_at as time, action, acted_by, rule, group_key, note, ends_at, via
from marts.alert_actions
where acted_at >= :since and acted_at < :until
order by acted_at desc
limit 200
