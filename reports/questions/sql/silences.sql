-- Silences
-- Which alerts are held back, until when, by whom and why? Those that hold now or held in the span.
select state, rule, group_key, severity, owner, labels, starts_at, ends_at, created_by, reason
from marts.alert_silences
where state <> 'over' or (ends_at > :since and starts_at < :until)
order by ends_at desc
limit 100
