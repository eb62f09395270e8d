-- New prompt patterns
-- Which prompts came up for the first time in the span, at most its last 14 days?
select
    day, template, origin, project, n_calls, n_failed, fail_rate, first_seen_at,
    example_call_ids[1]::text as example_call_id
from marts.prompt_patterns
where day >= greatest(:since_day, :until_day - 13) and day <= :until_day and is_new
order by day desc, n_calls desc
limit 50
