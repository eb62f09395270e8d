-- Latency of the span
-- Over the whole span, how long do calls take, and until the first token?
select
    model,
    'answer' as measure,
    n_calls,
    p50_ms,
    p95_ms,
    p99_ms
from marts.latency_percentiles(:since_day, :until_day, of_measure => 'latency')
where model = '(all)' or :in(model)
union all
select
    model,
    'first token' as measure,
    n_calls,
    p50_ms,
    p95_ms,
    p99_ms
from marts.latency_percentiles(:since_day, :until_day, of_measure => 'ttft')
where model = '(all)' or :in(model)
order by model, measure
limit 100
