-- Calls
-- Which calls were made from the beginning of the span on, at most two days of it? Follow a call to see all of it.
select
    started_at as time,
    call_id::text as call_id,
    model,
    project,
    status,
    is_failed,
    array_to_string(failed_rules, ', ') as failed_rules,
    rule_set_version,
    latency_ms,
    amount_usd,
    price_version,
    user_id,
    prompt_name
from marts.calls
where started_at >= :since and started_at < least(:until, :since + interval '48 hours')
    and :in(model) and :in(project)
order by started_at desc
limit 200
