-- First token of the span
-- Over the whole span, how long do streams make people wait for their first token?
select model, n_calls, p50_ms, p95_ms, p99_ms
from marts.latency_percentiles(:since_day, :until_day, of_measure => 'ttft')
where model = '(all)' or :in(model)
order by n_calls desc, model
limit 100
