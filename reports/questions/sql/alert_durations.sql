-- How long alerts last
-- Which rules fire most for whom, and how long does it take until they resolve?
select
    rule,
    group_key,
    count(*) as n_alerts,
    count(ended_at) as n_ended,
    avg(lasted_seconds) as mean_seconds,
    max(lasted_seconds) as longest_seconds,
    max(happened_at) as last_fired_at
from marts.alert_history
where happened_at >= :since and happened_at < :until and transition = 'firing'
group by rule, group_key
order by n_alerts desc, last_fired_at desc
limit 100
