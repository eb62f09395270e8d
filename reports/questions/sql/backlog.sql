-- Waiting for a refresh
-- How many hours have changed since the marts last saw them, and for how long?
select
    stage,
    n_hours,
    oldest_hour,
    newest_hour,
    oldest_change,
    extract(epoch from now() - oldest_change) as waiting_seconds
from marts.refresh_backlog
order by stage
