-- Mutes
-- Of which rules is nothing sent, until when, by whom and why? Those that hold now or held in the span.
select state, rule, starts_at, ends_at, created_by, reason
from marts.alert_mutes
where state <> 'over' or (ends_at > :since and starts_at < :until)
order by ends_at desc
limit 100
