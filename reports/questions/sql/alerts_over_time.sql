-- Alerts over time
-- How often did which rule fire?
select date_trunc(:grain, happened_at, 'UTC') as time, rule, count(*) as value
from marts.alert_history
where happened_at >= :since and happened_at < :until and transition = 'firing'
group by 1, 2
order by 1, 2
