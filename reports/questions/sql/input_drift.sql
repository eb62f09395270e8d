-- Drift of the calls
-- Which figures of the calls have moved against the week before, for how many days in a row?
select day, column_name, method, value, threshold, is_drift, n_days_in_row, median_current, median_reference
from marts.drift_findings
where day >= :since_day and day <= :until_day and value is not null
order by day desc, is_drift desc, column_name
limit 200
