-- Newest failed calls
-- Which calls failed a check, at most the last two days of the span? Follow a call to its receipt.
select
    started_at as time,
    call_id::text as call_id,
    model,
    project,
    array_to_string(failed_rules, ', ') as failed_rules,
    rule_set_version,
    status,
    latency_ms,
    input_preview,
    output_preview
from marts.failing_calls
where started_at >= greatest(:since, :until - interval '48 hours') and started_at < :until
    and :in(model)
order by started_at desc
limit 50
