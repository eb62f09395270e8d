-- Days: closed, checked, restated
-- Which days are complete, did their checks pass, and what was restated afterwards?
select day, is_closed, n_calls, closed_at, reopened_at, n_checks_failed, n_checks_warned, n_restatements, reasons
from marts.day_states
where day >= :since_day and day <= :until_day
order by day desc
limit 200
