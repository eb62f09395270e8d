-- Prompt patterns that fail
-- Which prompts fail more than the rest, surely, on the last day of the span? Ranked by the lower end of the interval.
select
    day,
    position,
    template,
    origin,
    project,
    n_calls,
    n_scored,
    n_failed,
    fail_rate,
    fail_rate_low,
    fail_rate_high,
    rest_fail_rate,
    excess_failures,
    growth,
    is_new,
    example_call_ids[1]::text as example_call_id
from marts.prompt_patterns
where day = (
    select max(day) from marts.prompt_patterns_daily
    where day >= :since_day and day <= :until_day
)
order by position nulls last, n_calls desc
limit 50
